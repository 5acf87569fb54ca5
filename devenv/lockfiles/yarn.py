"""Yarn: yarn.lock against what Yarn itself wrote down of the installation; Classic and Berry.

Must not know other tools. Invariant: Plug'n'Play needs no node_modules, and what Yarn may leave out (`conditions`,
optional packages, and what only those need) is not called missing.
"""

import json
import re
from collections.abc import Iterator

from devenv.lockfiles.comparison import Comparison, Locked, compare
from devenv.lockfiles.lock_file import UnreadableLock, read_lock
from devenv.lockfiles.node_modules import Project, add_direct
from devenv.lockfiles.reach import reach

_CLASSIC = "# yarn lockfile v1"
_BERRY = "__metadata:"
_NOT_FETCHED = ("workspace:", "link:", "portal:", "file:")
_KEY = re.compile(r'^(?=\S)"?((?:@[^/\s"]+/)?[^@\s"]+)@([^\n]*):$', re.MULTILINE)
_VERSION = re.compile(r'^  version:? "?([^"\n]+)"?$', re.MULTILINE)
_RESOLUTION = re.compile(r'^  resolution: "((?:@[^/\s"]+/)?[^@\s"]+)@([^"\n]+)"$', re.MULTILINE)
_BLOCK = re.compile(r"^  (\w+):\n((?:    .*\n)+)", re.MULTILINE)
_NEED = re.compile(r'^    "?([^\s":]+)"?: ', re.MULTILINE)
_SPARE = re.compile(r'^    "?([^\s":]+)"?:\n      optional: true$', re.MULTILINE)


def compare_yarn(project: Project) -> Comparison | None:
    """Hold yarn.lock against node_modules; None where the installation tells nothing."""
    text = read_lock(project.lock)
    if _BERRY in text:
        return _compare_berry(project, text)
    if _CLASSIC in text:
        return _compare_classic(project, text)
    raise UnreadableLock(project.lock, "it is no lock file of Yarn")


def install_command(project: Project) -> str:
    """Return the command that installs what is locked, as the Yarn that wrote the file spells it."""
    return "yarn install --immutable" if _BERRY in read_lock(project.lock) else "yarn install --frozen-lockfile"


def _compare_classic(project: Project, text: str) -> Comparison | None:
    locked = [
        Locked(name=name, version=version[1], key=name)
        for name, _, body in _entries(text)
        if (version := _VERSION.search(body))
    ]
    if not project.modules.exists():
        return compare(locked, {})
    try:
        record = json.loads((project.modules / ".yarn-integrity").read_bytes())
        resolved: dict[str, str] = record["lockfileEntries"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    installed: dict[str, set[str]] = {}
    for pattern, address in resolved.items():
        name = pattern[: pattern.rindex("@")] if "@" in pattern[1:] else pattern
        archive = address.rpartition(f"/{name.rpartition('/')[2]}-")[2]
        label, end, _ = archive.partition(".tgz")
        installed.setdefault(name, set()).add(label if end and label[:1].isdigit() else "")
    # An address without a version (a git repository) is taken for the locked one.
    known = [package for package in locked if "" not in installed.get(package.key, ())]
    return add_direct(project, compare(known, installed), locked)


def _compare_berry(project: Project, text: str) -> Comparison | None:
    locked = _lock_berry(text)
    if (project.root / ".pnp.cjs").exists():
        return None
    try:
        record = (project.modules / ".yarn-state.yml").read_text("utf-8")
    except OSError:
        return None if project.modules.exists() else compare(locked, {})
    installed: dict[str, set[str]] = {}
    for name, reference, _ in _entries(record):
        installed.setdefault(name, set()).add(_version(reference.removesuffix('"')))
    return add_direct(project, compare(locked, installed), locked)


def _lock_berry(text: str) -> list[Locked]:
    """Return what is fetched; what only optional packages and those of other platforms need may miss."""
    roots: set[str] = set()
    needs: dict[str, set[str]] = {}
    fetched: list[tuple[str, str]] = []
    for _, _, body in _entries(text):
        found = _RESOLUTION.search(body)
        if found is None or "\n  conditions: " in body:
            continue
        needs.setdefault(found[1], set()).update(_needs(body))
        if found[2].startswith(_NOT_FETCHED):
            roots.add(found[1])
        else:
            fetched.append((found[1], _version(found[2])))
    reached = reach(roots, needs)
    return [Locked(name=name, version=version, key=name, may_miss=name not in reached) for name, version in fetched]


def _needs(body: str) -> set[str]:
    blocks = {found[1]: found[2] for found in _BLOCK.finditer(body)}
    return set(_NEED.findall(blocks.get("dependencies", ""))) - set(_SPARE.findall(blocks.get("dependenciesMeta", "")))


def _version(reference: str) -> str:
    """Return the version of `npm:1.2.3`, of `virtual:0ab#npm:1.2.3`, and of a patch of either."""
    found = re.search(r"npm(?::|%3A)([^#:&\s]+)", reference)
    return found[1] if found else reference


def _entries(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, reference and body of each entry; both kinds of Yarn write them at the line's begin."""
    keys = list(_KEY.finditer(text))
    ends = [key.start() for key in keys[1:]] + [len(text)]
    for key, end in zip(keys, ends, strict=True):
        yield key[1], key[2], text[key.end() : end]
