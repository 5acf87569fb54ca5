"""A project for each end-to-end test: its own folder, state, name and servers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.cuttable_socket import CuttableSocket, cuttable_socket
from tests.support.daemon import Devenv, make_project
from tests.support.engine import Engine

SERVERS = Path(__file__).with_name("servers.py")
MakeProject = Callable[..., Devenv]


@pytest.fixture
def project(tmp_path: Path, unique_name: str, leak_check: None) -> Iterator[Devenv]:
    """Give an empty project; whatever it runs is brought down afterwards, before the leak check looks."""
    del leak_check
    with make_project(tmp_path / "project", tmp_path / "state", unique_name) as made:
        yield made


@pytest.fixture
def make_another(tmp_path: Path, unique_name: str, leak_check: None) -> Iterator[MakeProject]:
    """Give further projects, in a folder and under a name of choice, with the first one's state folder."""
    del leak_check
    with ExitStack() as ends:

        def make(folder: str, name: str | None = None, state: str = "state") -> Devenv:
            return ends.enter_context(make_project(tmp_path / folder, tmp_path / state, name or unique_name))

        yield make


@pytest.fixture
def way(project: Devenv, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CuttableSocket]:
    """Give the way to the engine that the project uses."""
    del engine
    path = Path(tmp_path_factory.mktemp("e")) / "d.sock"
    with cuttable_socket(path) as made:
        project.env["DOCKER_HOST"] = f"unix://{path}"
        yield made
        if not made.path.exists():
            made.join()
        project.end()


@pytest.fixture
def server() -> str:
    """Return the command of a small server; `servers.py` tells its options."""
    return f"{sys.executable} -S -E {SERVERS}"
