"""Environment markers: true, false, or undecided."""

from __future__ import annotations

import pytest

from devenv.lockfiles.markers import holds

VARIABLES = {
    "python_version": "3.11",
    "python_full_version": "3.11.7",
    "sys_platform": "linux",
    "platform_machine": "x86_64",
}


@pytest.mark.parametrize(
    ("marker", "answer"),
    [
        ("", True),
        ("python_version < '3.12'", True),
        ('python_version >= "3.9" and sys_platform == "win32"', False),
        ("python_version < '3.9' or sys_platform != 'win32'", True),
        ("(python_version < '3.9' or sys_platform == 'linux') and platform_machine == 'x86_64'", True),
        ("'3.10' <= python_version", True),
        ("python_version == '3.*'", True),
        ("python_version ~= '3.10'", True),
        ("python_version ~= '3.10.0'", False),
        ("python_full_version < '3.11.7'", False),
        ("sys_platform in 'linux darwin'", True),
        ("platform_machine not in 'arm64 aarch64'", True),
    ],
)
def test_marker_is_decided_when_all_of_it_is_known(marker: str, answer: bool) -> None:
    """Versions are compared by their numbers: 3.9 is older than 3.11."""
    assert holds(marker, VARIABLES) is answer


@pytest.mark.parametrize(
    ("marker", "answer"),
    [
        ("extra == 'test'", None),
        ("extra == 'test' and sys_platform == 'win32'", False),
        ("extra == 'test' or sys_platform == 'linux'", True),
        ("platform_release >= '5'", None),
        ("python_version < '3.14rc1'", None),
    ],
)
def test_marker_is_undecided_when_only_the_unknown_part_matters(marker: str, answer: bool | None) -> None:
    """An extra may be asked for or not."""
    assert holds(marker, VARIABLES) is answer


@pytest.mark.parametrize("marker", ["python_version <", "nonsense", "(sys_platform == 'linux'", "a == 'b' 'c'", "%"])
def test_marker_is_undecided_when_it_is_none(marker: str) -> None:
    """A lock file may be damaged."""
    assert holds(marker, VARIABLES) is None
