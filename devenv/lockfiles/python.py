"""Python projects: which lock file counts, which environment the service runs in, and the two held against each other.

Must not know the formats. Invariants: an environment that its tool mends by itself (`uv run`) is not judged, and
development packages that are left out together were left out on purpose.
"""

import os
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from devenv.lockfiles import python_locks, requirements
from devenv.lockfiles.comparison import Comparison, Locked, Subject, compare
from devenv.lockfiles.lock_file import reading
from devenv.lockfiles.places import runs_python, upward
from devenv.lockfiles.python_locks import Asked, Question
from devenv.lockfiles.virtual_environment import (
    Usage,
    VirtualEnvironment,
    find_environment,
    list_installed,
    marker_variables,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    """A tool's name, its lock file, and who reads that."""

    name: str
    lock: str
    read: Callable[[Question], Asked | None]


TOOLS = (
    _Tool(name="uv", lock="uv.lock", read=python_locks.read_uv),
    _Tool(name="poetry", lock="poetry.lock", read=python_locks.read_poetry),
    _Tool(name="pdm", lock="pdm.lock", read=python_locks.read_pdm),
    _Tool(name="pipenv", lock="Pipfile.lock", read=python_locks.read_pipenv),
    _Tool(name="pip", lock="requirements.txt", read=requirements.read_requirements),
)


def compare_python(
    folder: Path, environment: Mapping[str, str], argv: tuple[str, ...], stop_at: Path
) -> tuple[Subject, Comparison] | None:
    """Hold the lock file that covers `folder` against the service's environment; None where nothing is known."""
    if _mends_itself(argv, environment):
        return None
    # What runs something else than Python may stand in a repository with Python at its root.
    places = list(upward(folder, stop_at)) if runs_python(argv) or "/" in "".join(argv[:1]) else [folder]
    pairs = ((place, tool) for place in places for tool in TOOLS if (place / tool.lock).is_file())
    root, tool = next(pairs, (folder, None))
    if tool is None:
        return None
    usage = Usage(folder=folder, root=root, tool=tool.name, environment=environment, argv=argv, stop_at=stop_at)
    virtual = find_environment(usage)
    if virtual is None:
        return None
    member = next((place for place in upward(folder, root) if (place / "pyproject.toml").is_file()), root)
    question = Question(lock=root / tool.lock, member=member, variables=marker_variables(virtual.python))
    with reading(question.lock):
        asked = tool.read(question)
    if asked is None:
        return None
    subject = Subject(
        lock=question.lock,
        installation=virtual.folder,
        folder=member if tool.name == "uv" else root,
        command=_command(tool.name, question.lock, virtual),
    )
    if virtual.fault:
        return subject, Comparison(locked=len(asked.main), absent=virtual.fault)
    return subject, _compare(asked, virtual)


def _compare(asked: Asked, environment: VirtualEnvironment) -> Comparison:
    installed = list_installed(environment)
    main = {package.key for package in asked.main}
    dev = [package for package in asked.dev if package.key not in main]
    has_dev = any(package.key in installed.versions for package in dev)
    everything = [*asked.main, *(replace(package, may_miss=not has_dev) for package in dev)]
    everything = [_spell_alike(package, installed.versions.get(package.key, frozenset())) for package in everything]
    found = compare(everything, installed.versions)
    broken = tuple(f"{package.name} ({why})" for package in everything if (why := installed.broken.get(package.key)))
    return replace(found, missing=() if environment.sees_system else found.missing, broken=broken)


def _spell_alike(package: Locked, versions: frozenset[str]) -> Locked:
    """Return `package` with its version as the installed one is spelt, where both mean the same."""
    same = next((version for version in versions if _is_same(version, package.version)), package.version)
    return replace(package, version=same)


def _is_same(installed: str, locked: str) -> bool:
    if "+" not in locked:
        installed = installed.partition("+")[0]
    return _plain(installed) == _plain(locked)


def _plain(version: str) -> str:
    """Return a version in one spelling: `1.0.0`, `v1.0` and `1` are the same one."""
    text = version.strip().lower().removeprefix("v").replace("_", ".")
    release, rest = re.match(r"([\d.!]*)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]  # it always matches
    return re.sub(r"(\.0)+$", "", release.rstrip(".")) + rest.replace("-", "")


def _mends_itself(argv: tuple[str, ...], environment: Mapping[str, str]) -> bool:
    """Tell whether the program line is `uv run`, which installs what is locked before it starts anything."""
    name = PurePath(argv[0]).name if argv else ""
    may_sync = "--no-sync" not in argv and not environment.get("UV_NO_SYNC")
    return name == "uvx" or (name == "uv" and may_sync)


def _command(tool: str, lock: Path, environment: VirtualEnvironment) -> str:
    match tool:
        case "uv":
            return "uv sync"
        case "poetry":
            return "poetry sync" if python_locks.is_poetry_2(lock) else "poetry install --sync"
        case "pdm" | "pipenv":
            return f"{tool} sync"
    place = shlex.quote(os.path.relpath(environment.folder, lock.parent))
    if environment.fault:
        return f"python3 -m venv --clear {place} && {place}/bin/pip install -r {lock.name}"
    if (environment.folder / "bin" / "pip").exists():
        return f"{place}/bin/pip install -r {lock.name}"
    return f"uv pip install --python {place} -r {lock.name}"
