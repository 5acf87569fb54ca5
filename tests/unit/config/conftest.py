"""A folder to read stacks from: write files, load, and look at the stack or at the mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from devenv.config.compose.model import ReadCompose
from devenv.config.load import Request, load
from devenv.domain.errors import ConfigError, Diagnostic
from devenv.domain.model import Stack


@dataclass
class Folder:
    """A folder that is the user's current one."""

    path: Path
    environment: dict[str, str] = field(default_factory=dict)
    read_compose: ReadCompose | None = None

    def write(self, name: str, text: str) -> Path:
        """Write a file, its folders too."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(
        self,
        text: str | None = None,
        *,
        name: str = "services.yaml",
        profiles: tuple[str, ...] = (),
        file: str | None = None,
        project: str | None = None,
    ) -> Stack:
        """Load the folder, after writing `text` to the file `name`."""
        if text is not None:
            self.write(name, text)
        request = Request(
            start=str(self.path), file=file, project=project, profiles=profiles, environment=self.environment
        )
        return load(request, read_compose=self.read_compose)

    def mistakes(
        self, text: str | None = None, *, name: str = "services.yaml", profiles: tuple[str, ...] = ()
    ) -> list[Diagnostic]:
        """Return what is wrong; fails where nothing is."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, name=name, profiles=profiles)
        return list(caught.value.diagnostics)

    def lines(
        self, text: str | None = None, *, name: str = "services.yaml", profiles: tuple[str, ...] = ()
    ) -> list[str]:
        """Return what is wrong as `file:line:column: message [hint]`."""
        return [
            f"{one.place}: {one.message}" + (f" [{one.hint}]" if one.hint else "")
            for one in self.mistakes(text, name=name, profiles=profiles)
        ]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Return an empty folder."""
    return Folder(tmp_path / "shop")


@pytest.fixture(autouse=True)
def _made(folder: Folder) -> None:
    folder.path.mkdir()


def environment_of(stack: Stack, name: str) -> Mapping[str, str]:
    """Return what a process of the stack gets."""
    run = stack.services[name].run
    environment = getattr(run, "environment", None)
    assert isinstance(environment, Mapping)
    return environment
