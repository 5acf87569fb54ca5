"""A stack in a folder of its own, with a state of its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devenv.cli.session import open_session
from tests.unit.cli.stacks import SERVICES, StackFolder


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackFolder:
    """Return a stack whose folder is the current one."""
    for name in [name for name in os.environ if name.startswith("DEVENV_")]:
        monkeypatch.delenv(name)
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "services.yaml").write_text(SERVICES)
    monkeypatch.setenv("DEVENV_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("DEVENV_COMPOSE_PLUGIN", "none")
    monkeypatch.chdir(folder)
    return StackFolder(folder=folder, paths=open_session(None, None, ()).paths)
