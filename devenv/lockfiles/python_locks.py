"""The lock files of uv, Poetry, PDM and Pipenv: which packages an ordinary installation has.

Must not look at environments. Invariant: what is installed only on demand (extras, optional groups) or under a marker
that does not hold, or that cannot be decided, is not asked for.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devenv.lockfiles.comparison import Locked
from devenv.lockfiles.lock_file import UnreadableLock, read_json_lock, read_lock
from devenv.lockfiles.markers import holds
from devenv.lockfiles.reach import reach
from devenv.lockfiles.virtual_environment import normalise

Table = Mapping[str, Any]
# Hashes are nine tenths of a lock file, and its parser is slow.
_HASHES = re.compile(r"^(?:wheels|files) = \[\n(?:[ \t].*\n)*\]\n|^sdist = .*\n", re.MULTILINE)
_LOCAL = ("editable", "virtual", "directory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A lock file, the folder of the project's own pyproject.toml, and what markers may ask for."""

    lock: Path
    member: Path
    variables: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The packages of an ordinary installation; `dev` are those that a deployment leaves out."""

    main: tuple[Locked, ...]
    dev: tuple[Locked, ...] = ()


def read_uv(question: Question) -> Asked | None:
    """Walk uv.lock from the project; None where the project is not in it."""
    packages: list[Table] = _read_toml(question.lock).get("package", [])
    own = question.member.relative_to(question.lock.parent).as_posix()
    project = next((one for one in packages if own in _local_paths(one)), None)
    if project is None:
        return None
    groups: Any = _pyproject(question.member).get("tool", {}).get("uv", {}).get("default-groups", ["dev"])
    held: Table = project.get("dev-dependencies", {})
    needs = [need for name in (held if groups == "all" else groups) for need in held.get(name, [])]
    walk = _UvWalk(packages, question.variables)
    return Asked(main=walk.lock(project.get("dependencies", [])), dev=walk.lock(needs))


def read_poetry(question: Question) -> Asked | None:
    """Read poetry.lock: by its groups since Poetry 2, by a walk from pyproject.toml before."""
    packages: list[Table] = _read_toml(question.lock).get("package", [])
    settings: Table = _pyproject(question.lock.parent)
    if any("groups" in package for package in packages):
        groups: Table = settings.get("tool", {}).get("poetry", {}).get("group", {})
        optional = {name for name, group in groups.items() if group.get("optional")}
        counted = [
            (package, names)
            for package in packages
            if not package.get("optional")
            and (names := [name for name in package["groups"] if name not in optional])
            and _poetry_marker_holds(package.get("markers", ""), names, question.variables)
        ]
        return _split(counted, "main")
    return _walk_poetry_1(packages, settings, question.variables)


def read_pdm(question: Question) -> Asked | None:
    """Read pdm.lock by its groups; None for a file that was written without them."""
    packages: list[Table] = _read_toml(question.lock).get("package", [])
    if not any("groups" in package for package in packages):
        return None
    settings = _pyproject(question.lock.parent)
    dev = {*settings.get("dependency-groups", {}), *settings.get("tool", {}).get("pdm", {}).get("dev-dependencies", {})}
    counted = [
        (package, names)
        for package in packages
        if (names := [name for name in package.get("groups", []) if name == "default" or name in dev])
        and _holds(package.get("marker", ""), question.variables)
    ]
    return _split(counted, "default")


def read_pipenv(question: Question) -> Asked | None:
    """Read Pipfile.lock."""
    data = read_json_lock(question.lock)
    sections: list[tuple[Locked, ...]] = []
    for section in ("default", "develop"):
        entries: Table = data.get(section, {})
        sections.append(
            tuple(
                _lock(name, str(entry.get("version", "")).removeprefix("=="))
                for name, entry in entries.items()
                if _holds(entry.get("markers", ""), question.variables) and not entry.get("editable")
            )
        )
    return Asked(main=sections[0], dev=sections[1])


def is_poetry_2(lock: Path) -> bool:
    """Tell whether Poetry 2 or a later one wrote the file: its commands have other names."""
    return re.search(r'^lock-version = "2\.0"|^lock-version = "1', read_lock(lock), re.MULTILINE) is None


class _UvWalk:
    """Walks from dependencies to packages; a package is met once for each extra that is asked of it."""

    def __init__(self, packages: Iterable[Table], variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._by_name: dict[str, list[Table]] = {}
        for package in packages:
            self._by_name.setdefault(package["name"], []).append(package)

    def lock(self, needs: Iterable[Table]) -> tuple[Locked, ...]:
        """Return what is fetched for `needs`, and for what those need."""
        found: dict[str, Locked] = {}
        met: set[tuple[str, str, str]] = set()
        left = list(needs)
        while left:
            need = left.pop()
            package = self._resolve(need)
            if package is None:
                continue
            for extra in ("", *need.get("extra", [])):
                key = (package["name"], package.get("version", ""), extra)
                if key not in met:
                    met.add(key)
                    optional: Table = package.get("optional-dependencies", {})
                    left += optional.get(extra, []) if extra else package.get("dependencies", [])
            if not _local_paths(package):
                found[package["name"]] = _lock(package["name"], package.get("version", ""))
        return tuple(found.values())

    def _resolve(self, need: Table) -> Table | None:
        """Return the one package that is meant, None where a marker or a fork leaves that open."""
        if not _holds(need.get("marker", ""), self._variables):
            return None
        fits = [one for one in self._by_name.get(need["name"], []) if need.get("version") in {None, one.get("version")}]
        if len(fits) > 1:
            fits = [
                one
                for one in fits
                if any(_holds(marker, self._variables) for marker in one.get("resolution-markers", ()))
            ]
        return fits[0] if len(fits) == 1 else None


def _local_paths(package: Table) -> set[str]:
    source: Table = package.get("source", {})
    return {str(source[kind]) for kind in _LOCAL if kind in source}


def _poetry_marker_holds(markers: Any, groups: list[str], variables: Mapping[str, str]) -> bool:
    if isinstance(markers, str):
        return _holds(markers, variables)
    return any(_holds(markers.get(group, ""), variables) for group in groups)


def _walk_poetry_1(packages: list[Table], settings: Table, variables: Mapping[str, str]) -> Asked:
    poetry: Table = settings.get("tool", {}).get("poetry", {})
    groups: Table = poetry.get("group", {})
    project: list[str] = settings.get("project", {}).get("dependencies", [])
    main = {*_poetry_needs(poetry.get("dependencies", {}), variables), *_required_names(project, variables)}
    dev = {
        name
        for group in (
            poetry.get("dev-dependencies", {}),
            *(one.get("dependencies", {}) for one in groups.values() if not one.get("optional")),
        )
        for name in _poetry_needs(group, variables)
    }
    needs = {normalise(one["name"]): set(_poetry_needs(one.get("dependencies", {}), variables)) for one in packages}
    counts: dict[str, int] = {}
    for package in packages:
        counts[normalise(package["name"])] = counts.get(normalise(package["name"]), 0) + 1
    known = [_lock(one["name"], one["version"]) for one in packages if counts[normalise(one["name"])] == 1]
    of_main, of_dev = reach(main, needs), reach(dev, needs)
    return Asked(
        main=tuple(package for package in known if package.key in of_main),
        dev=tuple(package for package in known if package.key in of_dev - of_main),
    )


def _poetry_needs(table: Table, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the names of a table of dependencies that are needed for certain."""
    for name, value in table.items():
        choices = value if isinstance(value, list) else [value]
        if name != "python" and any(_poetry_need_holds(choice, variables) for choice in choices):
            yield normalise(name)


def _poetry_need_holds(choice: Any, variables: Mapping[str, str]) -> bool:
    if not isinstance(choice, dict):
        return True
    is_conditional = bool(choice.get("optional")) or "python" in choice or "platform" in choice
    return not is_conditional and _holds(choice.get("markers", ""), variables)


def _required_names(requirements: Iterable[str], variables: Mapping[str, str]) -> Iterator[str]:
    for requirement in requirements:
        text, _, marker = requirement.partition(";")
        if (name := re.match(r"[\w.-]+", text)) and _holds(marker, variables):
            yield normalise(name[0])


def _split(counted: Iterable[tuple[Table, list[str]]], main: str) -> Asked:
    """Divide packages by whether one of their groups is the main one; a package may stand there for each extra."""
    parts: dict[bool, dict[str, Locked]] = {True: {}, False: {}}
    for package, groups in counted:
        locked = _lock(package["name"], package.get("version", ""))
        parts[main in groups][locked.key] = locked
    return Asked(main=tuple(parts[True].values()), dev=tuple(parts[False].values()))


def _lock(name: str, version: str) -> Locked:
    return Locked(name=name, version=version, key=normalise(name))


def _holds(marker: str, variables: Mapping[str, str]) -> bool:
    return not marker or holds(marker, variables) is True


def _read_toml(lock: Path) -> Table:
    try:
        return tomllib.loads(_HASHES.sub("", read_lock(lock)))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UnreadableLock(lock, f"it is no TOML: {error}") from error


def _pyproject(folder: Path) -> Table:
    try:
        return tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
