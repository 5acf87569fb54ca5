"""What is said of newer commits: every lock file with its command, and commands that can be pasted."""

from __future__ import annotations

import shlex

import pytest

from devenv.domain.pulling import Checkout, News, Source, describe_kept_back, find_hindrance, find_installs, find_read
from devenv.domain.syncing import Look
from devenv.lockfiles.check import NODE_LOCKS, PYTHON_LOCKS

FORK = Source(remote="my fork", branch="a;b", tracking="refs/remotes/fork/a;b")


@pytest.mark.parametrize("name", [*NODE_LOCKS, *PYTHON_LOCKS, "requirements-dev.txt"])
def test_lock_file_that_the_gate_knows_is_known_here(name: str) -> None:
    """At the top, and below it with the folder that the command is for."""
    assert find_installs([name])[name]
    inside = f"a b/{name}"
    words = shlex.split(find_installs([inside])[inside])
    assert words[:3] == ["cd", "a b", "&&"]


@pytest.mark.parametrize("path", ["package.json", "my-requirements.txt", "requirements/base.in", "yarn.lock/x", "lock"])
def test_other_files_are_no_lock_files(path: str) -> None:
    """A name that merely looks alike is not one."""
    assert find_installs([path]) == {}


def test_what_a_stack_may_be_read_from_lies_beside_its_files() -> None:
    """Files that were read, and those that would be read if they were there; nothing elsewhere, no lock file."""
    changed = ["s/services.yaml", "s/compose.override.yml", "s/.env.local", "s/code.py", "s/pnpm-lock.yaml", "x.yaml"]
    assert find_read(changed, ["s/services.yaml"]) == ("s/.env.local", "s/compose.override.yml", "s/services.yaml")
    assert find_read(["deploy.conf"], ["deploy.conf"]) == ("deploy.conf",)


def test_commands_can_be_pasted_whatever_things_are_called() -> None:
    """A shell takes each name for one word."""
    checkout = Checkout(root="/x", name="../a b", branch="a;b", head="1", sources=(FORK,))
    text = describe_kept_back(checkout, News(source=FORK, commit="2", behind=1), "1 file changed")
    command = text.rpartition(" (")[2].removesuffix(")")
    assert shlex.split(command) == ["git", "-C", "../a b", "pull", "--ff-only", "my fork", "a;b"]


@pytest.mark.parametrize(
    ("facts", "hindrance"),
    [
        ({}, ""),
        ({"untracked": 3}, ""),
        ({"staged": 1, "unstaged": 2}, "1 file staged and 2 files changed"),
        ({"unmerged": ("a",)}, "1 file with conflicts"),
        ({"under_way": "rebase", "unstaged": 2}, "a rebase is under way"),
        ({"branch": ""}, "a single commit is checked out by now"),
    ],
)
def test_only_a_work_tree_without_changes_is_moved(facts: dict[str, object], hindrance: str) -> None:
    """The first reason is told; untracked files are none."""
    look = Look(root="/x", common_dir="/x/.git", **{"branch": "dev", **facts})  # type: ignore[arg-type]
    assert find_hindrance(Checkout(root="/x", branch="dev"), look) == hindrance
