"""What git knows of a migration that is not checked out, on real repositories."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from devenv.adapters.git.history import find_branch


def git(folder: Path, *words: str) -> None:
    """Run git as somebody, whatever this machine's own settings are."""
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True, timeout=20)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository whose branch `tenants` has a migration that `main` lacks."""
    git(tmp_path, "init")
    (tmp_path / "0001.py").write_text('revision = "0001"\n')
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "switch", "-c", "tenants")
    (tmp_path / "0002.py").write_text('revision = "3b5b37687fb7"\n')
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "second")
    git(tmp_path, "switch", "main")
    return tmp_path


def test_branch_is_found_when_another_one_has_the_migration(repository: Path) -> None:
    """A database that is newer than the checkout was migrated on that branch."""
    assert find_branch("3b5b37687fb7", repository) == "branch tenants"


def test_nothing_is_found_when_no_branch_has_it(repository: Path) -> None:
    """It is another project's."""
    assert find_branch("ffffffffffff", repository) == ""


def test_nothing_is_found_when_there_is_no_repository(tmp_path: Path) -> None:
    """A folder without git is no failure."""
    assert find_branch("0001", tmp_path) == ""
