"""Node projects: which lock file counts, which tool made node_modules, and the two held against each other.

Must not know the formats, which have a file each. Invariant: node_modules made by another tool than the lock file's, or
a lock file of a workspace that the service is no member of, is not judged.
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from devenv.lockfiles import bun, npm, pnpm, yarn
from devenv.lockfiles.comparison import Comparison, Subject
from devenv.lockfiles.lock_file import read_lock, reading
from devenv.lockfiles.node_modules import Project, read_manifest
from devenv.lockfiles.places import upward


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tool:
    """A package manager: its lock file, and the files that it alone leaves in node_modules."""

    name: str
    lock: str
    traces: tuple[str, ...]
    compare: Callable[[Project], Comparison | None]
    command: Callable[[Project], str]


TOOLS = (
    _Tool(
        name="pnpm",
        lock="pnpm-lock.yaml",
        traces=(".modules.yaml",),
        compare=pnpm.compare_pnpm,
        command=lambda _: "pnpm install --frozen-lockfile",
    ),
    _Tool(
        name="yarn",
        lock="yarn.lock",
        traces=(".yarn-integrity", ".yarn-state.yml"),
        compare=yarn.compare_yarn,
        command=yarn.install_command,
    ),
    _Tool(
        name="bun",
        lock="bun.lock",
        traces=(".bun",),
        compare=bun.compare_bun,
        command=lambda _: "bun install --frozen-lockfile",
    ),
    _Tool(
        name="npm",
        lock="package-lock.json",
        traces=(".package-lock.json",),
        compare=npm.compare_npm,
        command=lambda _: "npm ci",
    ),
)


def compare_node(
    folder: Path, environment: Mapping[str, str], argv: tuple[str, ...], stop_at: Path
) -> tuple[Subject, Comparison] | None:
    """Hold the lock file of the package that `folder` lies in against its node_modules; None where nothing is known."""
    package = next((place for place in upward(folder, stop_at) if (place / "package.json").is_file()), None)
    if package is None:
        return None
    root, tools = _find_locks(package, stop_at)
    tool = _choose(root, tools, argv) if tools else None
    if tool is None:
        return None
    project = Project(
        root=root,
        package=package,
        lock=root / tool.lock,
        is_production=environment.get("NODE_ENV", "") == "production",
    )
    with reading(project.lock):
        comparison = tool.compare(project)
    if comparison is None or not comparison.locked:
        return None
    if not project.modules.exists():
        comparison = replace(comparison, absent="is not there")
    command = tool.command(project)
    return Subject(lock=project.lock, installation=project.modules, folder=root, command=command), comparison


def _find_locks(package: Path, stop_at: Path) -> tuple[Path, list[_Tool]]:
    """Return the nearest folder with a lock file that covers `package`, and the tools whose lock files it has."""
    for root in upward(package, stop_at):
        tools = [tool for tool in TOOLS if (root / tool.lock).is_file()]
        if tools:
            return root, tools if root == package or _is_member(root, package) else []
    return package, []


def _is_member(root: Path, package: Path) -> bool:
    name = package.relative_to(root).as_posix()
    if (root / "pnpm-workspace.yaml").is_file() and (root / "pnpm-lock.yaml").is_file():
        return f"\n  {name}:\n" in read_lock(root / "pnpm-lock.yaml")
    workspaces = read_manifest(root).get("workspaces", [])
    patterns: Sequence[object] = workspaces.get("packages", []) if isinstance(workspaces, dict) else workspaces
    return any(fnmatch.fnmatch(name, str(pattern).removeprefix("./").rstrip("/")) for pattern in patterns)


def _choose(root: Path, tools: list[_Tool], argv: tuple[str, ...]) -> _Tool | None:
    """Return the tool that made node_modules; where there is none yet, the one that the project names."""
    modules = root / "node_modules"
    traced = [tool for tool in TOOLS if any((modules / trace).exists() for trace in tool.traces)]
    left = [tool for tool in tools if tool in traced] if traced else tools
    if len(left) <= 1:
        return left[0] if left else None
    named = str(read_manifest(root).get("packageManager", "")).partition("@")[0]
    called = PurePath(argv[0]).name if argv else ""
    for name in (named, called):
        if tool := next((tool for tool in left if tool.name == name), None):
            return tool
    return None if modules.exists() else left[0]
