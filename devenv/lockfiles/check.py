"""The check of a service's dependencies: its lock files against what is installed.

Must not start a program; it reads files only. Invariants: nothing is said where there is no lock file or no way to know
what the service uses, and a lock file that cannot be read is said to be so.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from devenv.domain.findings import Finding
from devenv.lockfiles.comparison import Comparison, Subject, to_findings, to_unknown
from devenv.lockfiles.lock_file import UnreadableLock
from devenv.lockfiles.places import runs_node, runs_python, upward

NODE_LOCKS = ("package-lock.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock")
PYTHON_LOCKS = ("uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", "requirements.txt")


def looks_locked(folder: Path, stop_at: Path) -> bool:
    """Tell whether a lock file is in `folder` or above it, up to `stop_at`: a few looks, for callers in a hurry."""
    return any((place / name).is_file() for place in upward(folder, stop_at) for name in (*NODE_LOCKS, *PYTHON_LOCKS))


def check_locks(
    folder: Path, *, environment: Mapping[str, str], argv: tuple[str, ...] = (), stop_at: Path
) -> tuple[Finding, ...]:
    """Return where the service in `folder` lacks what its lock files ask for, or has other versions of it.

    `environment` is the whole environment that the service gets, and `argv` its program line: they tell which virtual
    environment it uses. Lock files are looked for up to `stop_at`, the root of the stack; all paths are absolute.
    """
    findings: list[Finding] = []
    if not runs_python(argv):
        from devenv.lockfiles.node import compare_node  # noqa: PLC0415 - few services have both kinds

        findings += _judge(lambda: compare_node(folder, environment, argv, stop_at), stop_at)
    if not runs_node(argv):
        from devenv.lockfiles.python import compare_python  # noqa: PLC0415 - few services have both kinds

        findings += _judge(lambda: compare_python(folder, environment, argv, stop_at), stop_at)
    return tuple(findings)


def _judge(look: Callable[[], tuple[Subject, Comparison] | None], stop_at: Path) -> tuple[Finding, ...]:
    try:
        found = look()
    except UnreadableLock as error:
        return (to_unknown(error, stop_at),)
    return to_findings(*found, stop_at) if found else ()
