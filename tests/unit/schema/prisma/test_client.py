"""The generated client against the schema: missing, stale, newer than the process; wherever it was generated."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from devenv.domain.findings import Finding, Severity, Topic
from devenv.schema.ports import CannotLook
from devenv.schema.prisma.client import check_client, list_changes
from devenv.schema.prisma.parser import parse_prisma

SCHEMA = """generator client {
  provider = "prisma-client-js"
}

datasource db {
  provider = "postgresql"
}

model Tenant {
  id     Int    @id(map: "id_key", sort: Desc)
  status Status
}

enum Status {
  ACTIVE
}
"""
DEPENDS = json.dumps({"dependencies": {"@prisma/client": "^6.0.0"}})


def write(path: Path, text: str) -> Path:
    """Write a file, its folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def install(folder: Path, version: str = "6.19.0") -> None:
    """Write what an installation without its scripts leaves."""
    write(folder / "node_modules/@prisma/client/package.json", json.dumps({"version": version}))


def generate(output: Path, schema: str = SCHEMA, *, name: str = "index.js", version: str = "6.19.0") -> Path:
    """Write what `prisma generate` leaves, as far as it is read."""
    return write(
        output / name, f'const config = {{\n"clientVersion": "{version}",\n"inlineSchema": {json.dumps(schema)}\n}}'
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give a project with the client installed, and not generated."""
    (tmp_path / ".git").mkdir()
    write(tmp_path / "package.json", DEPENDS)
    write(tmp_path / "prisma/schema.prisma", SCHEMA)
    install(tmp_path)
    return tmp_path


def check(project: Path, started: float | None = None) -> tuple[Finding, ...]:
    """Check the client of the project itself."""
    return check_client(project / "prisma/schema.prisma", project, process_started=started)


def ids(findings: Sequence[Finding]) -> list[str]:
    """Return what an `accept` file would call them."""
    return [finding.id for finding in findings]


def test_client_is_missing_when_it_was_never_generated(project: Path) -> None:
    """Npm runs no install scripts, and a fresh clone has no client."""
    (finding,) = check(project)
    assert (finding.id, finding.severity, finding.topic) == ("client-missing", Severity.ERROR, Topic.CLIENT)
    assert finding.fix == "npx prisma generate"
    assert "node_modules/.prisma/client" in finding.text


def test_client_is_missing_when_only_the_stub_is_there(project: Path) -> None:
    """The package's stub holds no schema."""
    write(
        project / "node_modules/.prisma/client/index.js", "class PrismaClient { constructor() { throw new Error() } }"
    )
    assert ids(check(project)) == ["client-missing"]


def test_nothing_is_found_when_the_client_is_fresh(project: Path) -> None:
    """The same schema, whatever its formatting and comments."""
    generate(project / "node_modules/.prisma/client", "// old remark\n" + SCHEMA.replace("  ", "    "))
    assert check(project) == ()


def test_field_is_named_when_the_client_lacks_it(project: Path) -> None:
    """The finding points to the field's line."""
    generate(project / "node_modules/.prisma/client")
    write(project / "prisma/schema.prisma", SCHEMA.replace("  status Status\n", "  status Status\n  slug String\n"))
    (finding,) = check(project)
    assert (finding.id, finding.severity, finding.fix) == ("client-stale", Severity.ERROR, "npx prisma generate")
    assert "it lacks Tenant.slug" in finding.text
    assert finding.place == f"{project}/prisma/schema.prisma:12"


def test_changes_are_counted_when_there_are_many(project: Path) -> None:
    """Three are named, and all are in the details."""
    generate(project / "node_modules/.prisma/client")
    more = "".join(f"model M{number} {{\n  id Int @id\n}}\n" for number in range(5))
    write(project / "prisma/schema.prisma", SCHEMA + more)
    (finding,) = check(project)
    assert "it lacks model M0, it lacks model M1, it lacks model M2 and 2 more" in finding.text
    assert len(finding.details) == 5


@pytest.mark.parametrize(
    ("before", "now", "text"),
    [
        ("status Status", "status String", "Tenant.status generated Status, schema String"),
        ("status Status", "status Status?", "Tenant.status generated Status, schema Status?"),
        ("status Status", 'status Status @map("s")', "attributes of Tenant.status changed"),
        ("status Status", "", "it still has Tenant.status"),
        ("ACTIVE", "ACTIVE\n  GONE", "it lacks Status.GONE"),
        ("ACTIVE", 'ACTIVE @map("a")', "Status.ACTIVE generated 'ACTIVE', schema 'a'"),
        ("ACTIVE", 'ACTIVE\n  @@map("s")', "attributes of Status changed"),
        ("model Tenant", "model Customer", "it lacks model Customer"),
        ('"postgresql"', '"mysql"', "generated for postgresql, schema mysql"),
    ],
)
def test_change_is_told_when_the_schema_went_on(before: str, now: str, text: str) -> None:
    """Types, attributes, values, models and the database."""
    changes = list_changes(parse_prisma(SCHEMA, "client"), parse_prisma(SCHEMA.replace(before, now), "schema"))
    assert text in [change.text for change in changes]


def test_removals_are_told_when_only_the_client_has_them() -> None:
    """A client that knows more than the database fails as well."""
    wanted = parse_prisma('datasource db {\n provider = "postgresql"\n}', "schema")
    changes = list_changes(parse_prisma(SCHEMA, "client"), wanted)
    assert [change.text for change in changes] == ["it still has model Tenant", "it still has enum Status"]


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("  status Status\n", "  status Status\n  @@index([status])\n"),
        ("\nmodel Tenant {", "\nmodel Tenant { // who rents"),
        ('@id(map: "id_key", sort: Desc)', '@id(sort: Desc, map: "id_key")'),
    ],
)
def test_nothing_changed_when_no_client_would_differ(before: str, now: str) -> None:
    """Indexes and order are the database's and the reader's."""
    old, new = parse_prisma(SCHEMA, "client"), parse_prisma(SCHEMA.replace(before, now), "schema")
    assert list_changes(old, new) == ()


def test_client_is_newer_when_the_process_started_before_it(project: Path) -> None:
    """Node keeps what it has loaded."""
    file = generate(project / "node_modules/.prisma/client")
    os.utime(file, (5000, 5000))
    (finding,) = check(project, started=4000.0)
    assert (finding.id, finding.fix) == ("client-newer", "devenv restart")
    assert check(project, started=6000.0) == ()


@pytest.mark.parametrize(("started", "expected"), [(4950.0, []), (4000.0, ["client-newer"])])
def test_client_is_the_process_own_when_its_script_generates_it(
    project: Path, started: float, expected: list[str]
) -> None:
    """`npm run dev` may generate just before it loads; what comes much later is somebody else's."""
    scripts = {"dev": "prisma generate && node server.js"}
    write(project / "package.json", json.dumps({**json.loads(DEPENDS), "scripts": scripts}))
    os.utime(generate(project / "node_modules/.prisma/client"), (5000, 5000))
    assert ids(check(project, started=started)) == expected


def test_only_staleness_is_told_when_the_client_is_newer_as_well(project: Path) -> None:
    """A restart alone would not help."""
    generate(project / "node_modules/.prisma/client", SCHEMA.replace("ACTIVE", "OLD"))
    assert ids(check(project, started=1.0)) == ["client-stale"]


def test_version_is_told_when_another_one_generated_the_client(project: Path) -> None:
    """Seldom fatal, so that it does not block."""
    generate(project / "node_modules/.prisma/client", version="5.22.0")
    (finding,) = check(project)
    assert (finding.id, finding.severity) == ("client-version", Severity.WARNING)
    assert "5.22.0" in finding.text
    assert "6.19.0" in finding.text


@pytest.mark.parametrize(
    ("provider", "name"), [("prisma-client-js", "index.js"), ("prisma-client", "internal/class.ts")]
)
def test_client_is_found_when_it_has_an_output_of_its_own(project: Path, provider: str, name: str) -> None:
    """An output begins at the file that names it."""
    written = f'provider = "{provider}"\n  output = "../src/generated"'
    schema = SCHEMA.replace('provider = "prisma-client-js"', written)
    write(project / "prisma/schema.prisma", schema)
    assert ids(check(project)) == ["client-missing"]
    generate(project / "src/generated", schema, name=name)
    assert check(project) == ()


def test_client_is_found_when_pnpm_links_it(project: Path) -> None:
    """The client lies beside what the link leads to."""
    store = project / "node_modules/.pnpm/@prisma+client@6.19.0/node_modules"
    (project / "node_modules/@prisma/client/package.json").unlink()
    (project / "node_modules/@prisma/client").rmdir()
    write(store / "@prisma/client/package.json", json.dumps({"version": "6.19.0"}))
    (project / "node_modules/@prisma/client").symlink_to(store / "@prisma/client")
    assert ids(check(project)) == ["client-missing"]
    generate(store / ".prisma/client")
    assert check(project) == ()


def test_client_is_found_when_a_workspace_has_hoisted_it(project: Path) -> None:
    """A service's node_modules may be the repository's, and its schema another package's."""
    service = project / "apps/web"
    write(service / "package.json", DEPENDS)
    found = check_client(project / "prisma/schema.prisma", service, process_started=None)
    assert ids(found) == ["client-missing"]
    assert found[0].fix == "npx prisma generate --schema ../../prisma/schema.prisma"
    generate(project / "node_modules/.prisma/client")
    assert check_client(project / "prisma/schema.prisma", service, process_started=None) == ()


def test_each_client_is_told_apart_when_there_are_two(project: Path) -> None:
    """An `accept` file can name one of them."""
    second = 'generator other {\n  provider = "prisma-client-js"\n  output = "../other"\n}\n'
    write(project / "prisma/schema.prisma", second + SCHEMA)
    assert ids(check(project)) == ["client-missing:other", "client-missing:client"]


def test_client_is_read_when_only_its_copy_of_the_schema_is_there(project: Path) -> None:
    """A client without an inline schema keeps the file beside it."""
    write(project / "node_modules/.prisma/client/index.js", "module.exports = {}")
    write(project / "node_modules/.prisma/client/schema.prisma", SCHEMA)
    assert check(project) == ()


@pytest.mark.parametrize("text", ['"inlineSchema": "model A', '"inlineSchema": "model A {"'])
def test_client_is_unreadable_when_it_is_cut_off(project: Path, text: str) -> None:
    """It is not known what it was made from, and generating it again helps."""
    write(project / "node_modules/.prisma/client/index.js", text)
    (finding,) = check(project)
    assert (finding.id, finding.severity) == ("client-unreadable", Severity.UNKNOWN)


@pytest.mark.parametrize("package", ["{}", '{"dependencies": {"react": "18"}}', "{"])
def test_nothing_is_found_when_nothing_depends_on_the_client(project: Path, package: str) -> None:
    """A schema alone may serve another language, or migrations only."""
    write(project / "package.json", package)
    assert check(project) == ()


def test_nothing_is_found_when_nothing_is_installed(tmp_path: Path) -> None:
    """The check of dependencies says it, with the command that comes first."""
    (tmp_path / ".git").mkdir()
    write(tmp_path / "package.json", DEPENDS)
    write(tmp_path / "prisma/schema.prisma", SCHEMA)
    assert check(tmp_path) == ()


def test_nothing_is_found_when_another_generator_makes_the_client(project: Path) -> None:
    """prisma-client-py and diagrams are no clients of node."""
    write(project / "prisma/schema.prisma", SCHEMA.replace("prisma-client-js", "prisma-client-py"))
    assert check(project) == ()


def test_schema_is_refused_when_it_is_broken(project: Path) -> None:
    """Without it there is nothing to hold the client against."""
    write(project / "prisma/schema.prisma", "model A {")
    with pytest.raises(CannotLook) as caught:
        check(project)
    assert caught.value.code == "prisma-syntax"
