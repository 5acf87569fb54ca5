"""Bun: bun.lock (JSON with trailing commas) against the folders in node_modules, flat or isolated.

Must not know other tools. Invariant: optional packages and those of other platforms are not called missing.
"""

import re
from dataclasses import replace
from typing import Any

from devenv.lockfiles.comparison import Comparison, Locked, compare
from devenv.lockfiles.lock_file import read_json_lock, read_lock
from devenv.lockfiles.node_modules import MISSING, Project, add_direct, explain, read_version
from devenv.lockfiles.reach import reach

_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_STORE = ".bun"
_STORED = re.compile(r"((?:@[^+]+\+)?[^@]+)@([^+]+)")


def compare_bun(project: Project) -> Comparison | None:
    """Hold bun.lock against node_modules."""
    data = read_json_lock(project.lock, _TRAILING_COMMA.sub("", read_lock(project.lock)))
    locked = _lock(data, is_production=project.is_production)
    if not project.modules.exists():
        return compare(locked, {})
    if (project.modules / _STORE).is_dir():
        return _compare_isolated(project, locked)
    return _compare_flat(project, locked)


def _lock(data: dict[str, Any], *, is_production: bool) -> list[Locked]:
    """Return what is fetched; what only optional packages and those of other platforms need may miss."""
    packages: dict[str, list[Any]] = data.get("packages", {})
    kinds = ("dependencies",) if is_production else ("dependencies", "devDependencies")
    roots = [name for one in data.get("workspaces", {}).values() for kind in kinds for name in one.get(kind, {})]
    needs: dict[str, set[str]] = {}
    fetched: list[tuple[str, str, str]] = []
    for key, entry in packages.items():
        name, _, version = str(entry[0]).rpartition("@")
        manifest: dict[str, Any] = next((part for part in entry[1:] if isinstance(part, dict)), {})
        if not {"os", "cpu"} & manifest.keys():
            needs.setdefault(name, set()).update(manifest.get("dependencies", {}))
        if version[:1].isdigit():
            fetched.append((name, version, key))
    reached = reach(roots, needs) & needs.keys()
    return [Locked(name=name, version=version, key=key, may_miss=name not in reached) for name, version, key in fetched]


def _compare_isolated(project: Project, locked: list[Locked]) -> Comparison:
    installed: dict[str, set[str]] = {}
    for place in (project.modules / _STORE).iterdir():
        if found := _STORED.match(place.name):
            installed.setdefault(found[1].replace("+", "/"), set()).add(found[2])
    found_all = compare([replace(package, key=package.name) for package in locked], installed)
    return add_direct(project, found_all, locked)


def _compare_flat(project: Project, locked: list[Locked]) -> Comparison:
    installed: dict[str, frozenset[str]] = {}
    broken: list[str] = []
    intact: list[Locked] = []
    for package in locked:
        place = project.modules / _path(package.key)
        fault = explain(str(place))
        if fault not in {"", MISSING}:
            broken.append(f"{package.name} ({fault})")
            continue
        intact.append(package)
        if not fault and (version := read_version(place, package.version)) is not None:
            installed[package.key] = frozenset({version})
    return replace(compare(intact, installed), broken=tuple(broken))


def _path(key: str) -> str:
    """Return where `next/@swc/helpers` lies: each package of the chain has a node_modules of its own."""
    return "/node_modules/".join(re.findall(r"@[^/]+/[^/]+|[^/]+", key))
