"""pnpm: pnpm-lock.yaml against the copy that pnpm keeps of the lock file that it installed from.

Must not know YAML: the keys below `packages:` are read as lines, which pnpm writes itself. Invariant: packages that
pnpm may leave out (optional ones, those of other platforms) are not called missing.
"""

import re
from dataclasses import replace

from devenv.lockfiles.comparison import Comparison, Locked, compare
from devenv.lockfiles.lock_file import UnreadableLock, read_lock
from devenv.lockfiles.node_modules import Project, add_direct

_SECTION = re.compile(r"^(\w+):", re.MULTILINE)
_KEY = re.compile(r"^  (['\"]?)/?((?:@[^/\n]+/)?[^/@\s'\"]+)[@/]([^\s'\"(_:]+)[^\n]*?\1:.*$", re.MULTILINE)
_SPARE = re.compile(r"^    (?:optional: true|os: |cpu: |libc: )", re.MULTILINE)


def compare_pnpm(project: Project) -> Comparison | None:
    """Hold pnpm-lock.yaml against node_modules; None for a lock file without packages."""
    text = read_lock(project.lock)
    if not text.startswith(("lockfileVersion:", "---")):
        raise UnreadableLock(project.lock, "it is no lock file of pnpm")
    locked = _packages(text)
    if not project.modules.exists():
        return compare(locked, {})
    try:
        copy = (project.modules / ".pnpm" / "lock.yaml").read_text("utf-8")
        settings = (project.modules / ".modules.yaml").read_text("utf-8", "replace")
    except OSError:
        return None
    leaves_out = project.is_production or re.search(r'devDependencies"?: false', settings) is not None
    found = Comparison(locked=len(locked)) if copy == text else _compare(locked, copy, leaves_out=leaves_out)
    return add_direct(replace(project, is_production=leaves_out), found, locked)


def _compare(locked: list[Locked], copy: str, *, leaves_out: bool) -> Comparison:
    installed: dict[str, set[str]] = {}
    for package in _packages(copy):
        installed.setdefault(package.name, set()).add(package.version)
    return compare([replace(package, may_miss=package.may_miss or leaves_out) for package in locked], installed)


def _packages(text: str) -> list[Locked]:
    """Return what stands below `packages:`; whether it is optional stands below `snapshots:` since version 9."""
    spare = {
        (name, version)
        for section in ("packages", "snapshots")
        for name, version, body in _entries(text, section)
        if _SPARE.search(body)
    }
    pairs = dict.fromkeys((name, version) for name, version, _ in _entries(text, "packages"))
    return [Locked(name=name, version=version, key=name, may_miss=(name, version) in spare) for name, version in pairs]


def _entries(text: str, section: str) -> list[tuple[str, str, str]]:
    """Return name, version and body of each entry of a section."""
    starts = list(_SECTION.finditer(text))
    for index, start in enumerate(starts):
        if start[1] == section:
            end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
            keys = list(_KEY.finditer(text, start.end(), end))
            ends = [key.start() for key in keys[1:]] + [end]
            return [(key[2], key[3], text[key.end() : stop]) for key, stop in zip(keys, ends, strict=True)]
    return []
