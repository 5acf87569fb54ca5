"""npm: package-lock.json (versions 2 and 3) against the record that npm keeps in node_modules, and the folders.

Must not know other tools. Invariant: what npm leaves out on purpose (optional packages, those of other platforms, peers
under `--legacy-peer-deps`, development packages under `--omit=dev`) is not called missing.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from devenv.lockfiles.comparison import Comparison, Locked, compare
from devenv.lockfiles.lock_file import UnreadableLock, read_json_lock
from devenv.lockfiles.node_modules import MISSING, Project, explain, read_version

_RECORD = ".package-lock.json"
_SPARE = ("optional", "devOptional", "peer", "os", "cpu", "libc")
Packages = dict[str, dict[str, Any]]


def compare_npm(project: Project) -> Comparison | None:
    """Hold package-lock.json against node_modules; None for the format of npm 6, which names no places."""
    entries = _packages(read_json_lock(project.lock))
    if entries is None:
        return None
    wanted = {place: entry for place, entry in entries.items() if _is_installed_package(place, entry)}
    record = _read_record(project.modules / _RECORD)
    root = str(project.root)
    faults = {place: explain(f"{root}/{place}") for place in wanted}
    is_without_dev = project.is_production or _lacks_all_dev(wanted, faults)
    locked: list[Locked] = []
    for place, entry in wanted.items():
        may_miss = any(entry.get(word) for word in _SPARE) or (is_without_dev and bool(entry.get("dev")))
        locked.append(Locked(name=_name(place), version=str(entry.get("version", "")), key=place, may_miss=may_miss))
    installed = {
        package.key: frozenset({version})
        for package in locked
        if faults[package.key] == "" and (version := _installed_version(project.root, package, record)) is not None
    }
    broken = tuple(f"{_name(place)} ({fault})" for place, fault in faults.items() if fault not in {"", MISSING})
    intact = [package for package in locked if faults[package.key] in {"", MISSING}]
    return replace(compare(intact, installed), broken=broken)


def _packages(data: dict[str, Any]) -> Packages | None:
    packages = data.get("packages")
    return packages if isinstance(packages, dict) else None


def _read_record(record: Path) -> Packages:
    try:
        return _packages(read_json_lock(record)) or {}
    except UnreadableLock:
        return {}


def _is_installed_package(place: str, entry: dict[str, Any]) -> bool:
    """Tell a package in a node_modules from the root, the sources of a workspace, and what npm itself calls stray."""
    return "node_modules/" in place and not entry.get("extraneous")


def _lacks_all_dev(wanted: Packages, faults: dict[str, str]) -> bool:
    """Tell whether no development package is there at all: `npm ci --omit=dev` was meant so."""
    dev = [place for place, entry in wanted.items() if entry.get("dev") and not entry.get("optional")]
    others = [place for place, entry in wanted.items() if not entry.get("dev")]
    return bool(dev) and all(faults[place] for place in dev) and any(not faults[place] for place in others)


def _installed_version(root: Path, package: Locked, record: Packages) -> str | None:
    entry = record.get(package.key)
    if entry is not None and (entry.get("link") or entry.get("version")):
        return str(entry.get("version", ""))
    return read_version(root / package.key, package.version) if package.version else ""


def _name(place: str) -> str:
    return place.rpartition("node_modules/")[2]
