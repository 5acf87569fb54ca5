"""The client check against clients that Prisma itself generates, version 5 (in node_modules) and 7 (with an output).

Packages come from npm; generating needs no engine, only a file where Prisma would look for one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devenv.domain.findings import Severity
from devenv.schema.prisma.client import check_client

INSTALL_S = 100.0
GENERATE_S = 30.0
HOUR_S = 3600.0
SCHEMA = """generator client {{
  provider = "{provider}"{output}
}}

datasource db {{
  provider = "postgresql"{url}
}}

model Tenant {{
  id     Int          @id @default(autoincrement())
  status TenantStatus @default(TRIAL) // what it pays for
}}

enum TenantStatus {{
  TRIAL
  ACTIVE
}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project with Prisma installed, and its client not generated."""

    folder: Path

    @property
    def schema(self) -> Path:
        """Return where its schema is."""
        return self.folder / "prisma" / "schema.prisma"

    def generate(self) -> None:
        """Run `prisma generate`, as a developer would."""
        run(self.folder, "npx", "--no-install", "prisma", "generate", deadline_s=GENERATE_S)

    def edit(self, before: str, now: str) -> None:
        """Change the schema."""
        text = self.schema.read_text()
        assert before in text
        self.schema.write_text(text.replace(before, now))

    def check(self, started: float | None = None) -> list[tuple[str, Severity, str]]:
        """Return id, severity and text of what is found."""
        found = check_client(self.schema, self.folder, process_started=started)
        return [(finding.id, finding.severity, finding.text) for finding in found]

    def ids(self, started: float | None = None) -> list[str]:
        """Return the ids of what is found."""
        return [name for name, _, _ in self.check(started)]


def run(folder: Path, *command: str, deadline_s: float) -> None:
    """Run a command of node's; its own output is the message where it fails."""
    if shutil.which(command[0]) is None:
        pytest.fail(f"no {command[0]} here: apt-get install nodejs npm", pytrace=False)
    engine = folder / "engine.so.node"
    engine.touch()
    environment = {
        **os.environ,
        "CHECKPOINT_DISABLE": "1",
        "PRISMA_SCHEMA_ENGINE_BINARY": str(engine),
        "PRISMA_QUERY_ENGINE_LIBRARY": str(engine),
    }
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=deadline_s,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def install(folder: Path, version: str) -> Path:
    """Install Prisma without its install scripts, as npm does by itself."""
    (folder / "package.json").write_text(json.dumps({"private": True, "dependencies": {"@prisma/client": version}}))
    options = ("--prefer-offline", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
    packages = (f"prisma@{version}", f"@prisma/client@{version}")
    run(folder, "npm", "install", *options, *packages, deadline_s=INSTALL_S)
    return folder


@pytest.fixture(scope="session")
def prisma_5(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder with Prisma 5 installed."""
    folder = tmp_path_factory.mktemp("prisma5")
    yield install(folder, "5.22.0")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def prisma_7(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a folder with Prisma 7 installed."""
    folder = tmp_path_factory.mktemp("prisma7")
    yield install(folder, "7.10.0")
    shutil.rmtree(folder)


@pytest.fixture
def project_5(prisma_5: Path, tmp_path: Path) -> Iterator[Project]:
    """Give a project on Prisma 5, with packages of its own: the client is generated among them."""
    project = Project(folder=tmp_path / "project")
    shutil.copytree(prisma_5, project.folder, symlinks=True)
    project.schema.parent.mkdir()
    url = '\n  url = env("DATABASE_URL")'
    project.schema.write_text(SCHEMA.format(provider="prisma-client-js", output="", url=url))
    yield project
    shutil.rmtree(project.folder)


@pytest.fixture
def project_7(prisma_7: Path, tmp_path: Path) -> Project:
    """Give a project on Prisma 7, whose client is generated beside its own code."""
    project = Project(folder=tmp_path / "project")
    project.schema.parent.mkdir(parents=True)
    shutil.copy(prisma_7 / "package.json", project.folder)
    (project.folder / "node_modules").symlink_to(prisma_7 / "node_modules")
    output = '\n  output = "../src/generated/prisma"'
    project.schema.write_text(SCHEMA.format(provider="prisma-client", output=output, url=""))
    return project


def test_client_of_prisma_5_is_told_at_each_step_when_it_is_generated_and_outdated(project_5: Project) -> None:
    """Never generated, fresh, stale by a field, and generated again while the process ran."""
    assert project_5.ids() == ["client-missing"]
    before = time.time() - HOUR_S
    project_5.generate()
    assert project_5.ids(started=time.time() + 1) == []
    project_5.edit("  status ", "  slug String\n  status ")
    ((name, severity, text),) = project_5.check(started=before)
    assert (name, severity) == ("client-stale", Severity.ERROR)
    assert "it lacks Tenant.slug" in text
    project_5.generate()
    assert project_5.ids(started=before) == ["client-newer"]
    assert project_5.ids(started=time.time() + 1) == []


def test_client_of_prisma_7_is_told_at_each_step_when_it_is_generated_and_outdated(project_7: Project) -> None:
    """The same where the client is TypeScript in a folder of its own."""
    assert project_7.ids() == ["client-missing"]
    project_7.generate()
    assert project_7.ids(started=time.time() + 1) == []
    project_7.edit("  ACTIVE\n", "  ACTIVE\n  ARCHIVED\n")
    ((name, _, text),) = project_7.check()
    assert name == "client-stale"
    assert "it lacks TenantStatus.ARCHIVED" in text
    assert project_7.ids(started=1.0) == ["client-stale"]


def test_client_is_fresh_when_only_remarks_and_blanks_changed(project_5: Project) -> None:
    """Prisma formats the schema that it keeps; what it means is the same."""
    project_5.edit("// what it pays for", "/// Documentation.\n\n")
    project_5.edit("  TRIAL\n", "      TRIAL // the first weeks\n")
    project_5.generate()
    project_5.edit("      TRIAL // the first weeks\n", "  TRIAL\n")
    assert project_5.ids() == []


def test_client_is_fresh_when_it_was_generated_from_a_folder(project_7: Project) -> None:
    """Prisma merges the files of a folder; each of them is read on its own here."""
    model, _, enum = project_7.schema.read_text().partition("enum ")
    project_7.schema.write_text(model)
    (project_7.schema.parent / "status.prisma").write_text(f"enum {enum}")
    (project_7.folder / "prisma.config.ts").write_text('export default { schema: "prisma" }\n')
    project_7.generate()
    assert check_client(project_7.schema.parent, project_7.folder, process_started=None) == ()
