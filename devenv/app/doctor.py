"""Judges a machine: is everything there that `up` needs, and what mends what is not.

Pure: facts in, findings out; the command line gathers the facts. Must not look at anything itself. Invariant: every
finding that is not `ok` has a fix that can be typed, and one about the stack never hides one about the machine.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from devenv.app.machine import Facts, Tool
from devenv.domain.ownership import Ownership

OLDEST_PYTHON = (3, 11)
OLDEST_COMPOSE = (2, 24)
LOW_FILES, FEW_FILES = 256, 1024
GIB = 1 << 30
DISK_TIGHT, DISK_FULL = 5 * GIB, GIB // 2


class Level(StrEnum):
    """How bad a finding is; only an error keeps `up` from working."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at, and the command that mends it."""

    check: str
    level: Level
    text: str
    fix: str = ""


def examine(facts: Facts) -> tuple[Finding, ...]:
    """Return every finding, in the order of `CHECKS`."""
    return tuple(finding for check in CHECKS for finding in check(facts))


def exit_status(findings: tuple[Finding, ...]) -> int:
    """Return 0, or 3 where something keeps `up` from working."""
    return 3 if any(finding.level is Level.ERROR for finding in findings) else 0


def check_python(facts: Facts) -> Iterator[Finding]:
    """Look at the interpreter."""
    version = ".".join(str(part) for part in facts.python)
    if facts.python[:2] >= OLDEST_PYTHON:
        yield _ok("python", f"Python {version}")
    else:
        yield _error("python", f"Python {version} is too old", "install Python 3.11 or newer")


def check_engine(facts: Facts) -> Iterator[Finding]:
    """Look at the Docker engine, and at what stands in for it."""
    if facts.engine.version:
        yield _ok("engine", f"Docker engine {facts.engine.version}")
        return
    if facts.engine_choice == "embedded" or not facts.containers:
        needed = "embedded servers are chosen" if facts.engine_choice == "embedded" else "no service needs it"
        yield _ok("engine", f"no Docker engine, and {needed}")
        return
    why = f"no Docker engine: {facts.engine.why}"
    lacking = [need for need in facts.containers if not need.stand_in]
    if facts.engine_choice == "docker" or lacking:
        named = ", ".join(f"{need.service} ({need.image or 'built here'})" for need in lacking or facts.containers)
        yield _error("engine", f"{why}; needed by {named}", facts.engine.fix)
        return
    served = ", ".join(f"{need.service} as {need.stand_in}" for need in facts.containers)
    yield _warning("engine", f"{why}; embedded servers stand in: {served}", facts.engine.fix)


def check_compose(facts: Facts) -> Iterator[Finding]:
    """Look at the Compose plugin; a stack without containers does not need it."""
    yield from _check_tool(
        "compose", "Docker Compose", facts.compose, needed=bool(facts.containers) and bool(facts.engine.version)
    )
    version = _read_version(facts.compose.version)
    if facts.compose.version and version and version < OLDEST_COMPOSE:
        oldest = ".".join(str(part) for part in OLDEST_COMPOSE)
        yield _warning("compose", f"Compose {facts.compose.version} is older than {oldest}", "update Docker Compose")


def check_buildx(facts: Facts) -> Iterator[Finding]:
    """Look at Buildx; only a stack that builds images needs it."""
    builds = any(need.builds for need in facts.containers)
    yield from _check_tool("buildx", "Docker Buildx", facts.buildx, needed=builds and bool(facts.engine.version))


def check_git(facts: Facts) -> Iterator[Finding]:
    """Look for git."""
    yield from _check_tool("git", "git", facts.git, needed=False)


def check_disks(facts: Facts) -> Iterator[Finding]:
    """Look at the space where state, logs, images and volumes go."""
    for disk in facts.disks:
        text = f"{disk.free / GIB:.1f} GiB free for {disk.what} ({disk.path})"
        fix = "docker system df" if "Docker" in disk.what else f"df -h {disk.path}"
        if disk.free < DISK_FULL:
            yield _error("disk", text, fix)
        elif disk.free < DISK_TIGHT:
            yield _warning("disk", text, fix)
        else:
            yield _ok("disk", text)


def check_files(facts: Facts) -> Iterator[Finding]:
    """Look at how many files a process may open."""
    text = f"{facts.open_files} open files a process"
    if facts.open_files >= FEW_FILES:
        yield _ok("files", text)
    elif facts.open_files >= LOW_FILES:
        yield _warning("files", f"{text}: few for a stack with many services", "ulimit -n 4096")
    else:
        yield _error("files", f"{text}: too few", "ulimit -n 4096")


def check_state(facts: Facts) -> Iterator[Finding]:
    """Look at the folder of the stacks' state, which holds environments and logs."""
    state = facts.state
    if not state.is_own:
        yield _error("state", f"{state.path} belongs to another user", f"ls -ld {state.path}")
    elif not state.is_writable:
        yield _error("state", f"{state.path} cannot be written", f"ls -ld {state.path}")
    elif state.mode & 0o077:
        yield _warning("state", f"{state.path} can be read by others ({state.mode:03o})", f"chmod 700 {state.path}")
    else:
        yield _ok("state", f"{state.path} is private")


def check_daemon(facts: Facts) -> Iterator[Finding]:
    """Look at the stack's daemon and at what a dead one left; all of that is harmless, and said."""
    daemon = facts.daemon
    if daemon is None:
        return
    if daemon.length > daemon.limit:
        text = f"the socket's path has {daemon.length} bytes, more than {daemon.limit}: {daemon.socket}"
        yield _error("daemon", text, "export XDG_RUNTIME_DIR=/run/user/$(id -u)")
    if daemon.broken_record:
        text = f"a run record could not be read and was set aside: {daemon.broken_record}"
        yield _warning("daemon", text, f"rm {daemon.broken_record}")
    if daemon.listens and daemon.version not in {"", facts.own_version}:
        text = f"the stack's daemon is devenv {daemon.version}, this is {facts.own_version}"
        yield _warning("daemon", text, "devenv down && devenv up")
    elif daemon.listens:
        yield _ok("daemon", "the stack's daemon answers")
    elif daemon.left_record:
        text = "the stack's daemon ended, and its services may still run; the next command looks after them"
        yield _warning("daemon", text, "devenv status")
    elif daemon.left_socket:
        yield _ok("daemon", "nothing runs (a stale socket is replaced by the next `up`)")
    else:
        yield _ok("daemon", "nothing runs")


def check_config(facts: Facts) -> Iterator[Finding]:
    """Look at whether the stack's files can be read."""
    error = facts.config_error
    if error is not None:
        diagnostics = getattr(error, "diagnostics", ())
        first = f": {diagnostics[0].place}: {diagnostics[0].message}" if diagnostics else ""
        yield _error("config", f"{error.what}{first or (f': {error.why}' if error.why else '')}", "devenv config")
    elif facts.stack:
        yield _ok("config", f"the stack {facts.stack} is well described")
    else:
        yield _ok("config", "no stack here: only the machine was looked at")


def check_ports(facts: Facts) -> Iterator[Finding]:
    """Look at the ports that the stack needs."""
    free = [fact for fact in facts.ports if not fact.holder]
    ours = [fact for fact in facts.ports if fact.ownership is Ownership.OURS]
    for word, group in (("free", free), ("this stack's own", ours)):
        if group:
            yield _ok("ports", f"{word}: " + ", ".join(f"{fact.port} ({fact.service})" for fact in group))
    for fact in facts.ports:
        text = f"{fact.port} ({fact.service}) is held by {fact.holder}"
        if fact in free or fact in ours:
            continue
        if fact.ownership is Ownership.LEFTOVER or fact.will_free:
            yield _warning("ports", f"{text}; `devenv up` settles that", fact.fix)
        else:
            yield _error("ports", text, fact.fix)


Check = Callable[[Facts], Iterator[Finding]]
CHECKS: tuple[Check, ...] = (
    check_python,
    check_engine,
    check_compose,
    check_buildx,
    check_git,
    check_config,
    check_ports,
    check_disks,
    check_files,
    check_state,
    check_daemon,
)


def _check_tool(check: str, name: str, tool: Tool, *, needed: bool) -> Iterator[Finding]:
    if tool.version:
        yield _ok(check, f"{name} {tool.version}")
    elif needed:
        yield _error(check, f"no {name}: {tool.why}", tool.fix)
    else:
        yield _warning(check, f"no {name}: {tool.why}; this stack does without", tool.fix)


def _read_version(text: str) -> tuple[int, int] | None:
    parts = text.removeprefix("v").split(".")
    return (int(parts[0]), int(parts[1])) if len(parts) > 1 and parts[0].isdigit() and parts[1].isdigit() else None


def _ok(check: str, text: str) -> Finding:
    return Finding(check=check, level=Level.OK, text=text)


def _warning(check: str, text: str, fix: str) -> Finding:
    return Finding(check=check, level=Level.WARNING, text=text, fix=fix)


def _error(check: str, text: str, fix: str) -> Finding:
    return Finding(check=check, level=Level.ERROR, text=text, fix=fix)
