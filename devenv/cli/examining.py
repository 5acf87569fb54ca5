"""`devenv doctor`: gathers what `devenv.app.doctor` judges, and shows its findings.

Must not judge. Invariant: it changes nothing on the machine, starts no daemon, and works without a stack, an engine or
a readable configuration.
"""

import json
import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from devenv import __version__
from devenv.adapters.state.paths import SOCKET_PATH_BYTES, state_home
from devenv.api.client import Client
from devenv.app.doctor import Finding, Level, examine, exit_status
from devenv.app.machine import ContainerNeed, DaemonFact, Disk, Facts, PortFact, StateFolder, Tool
from devenv.cli.output import print_data
from devenv.cli.session import Session
from devenv.domain.errors import DevenvError, HostError
from devenv.domain.model import ContainerRun, OnConflict, Service, Stack

VERSION = 1
MARKS = {Level.OK: "✔", Level.WARNING: "!", Level.ERROR: "✘"}
_TOOL_S = 10.0


def show_findings(session: Session | None, environment: Mapping[str, str], *, as_json: bool) -> int:
    """Print what was found; return 0, or 3 where something keeps `up` from working."""
    findings = examine(gather(session, environment))
    status = exit_status(findings)
    if as_json:
        print_data(json.dumps({"version": VERSION, "status": status, "findings": [asdict(one) for one in findings]}))
    else:
        print_data("\n".join(line for finding in findings for line in finding_lines(finding)))
    return status


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding as one line, and its fix as a second."""
    line = f"{MARKS[finding.level]} {finding.check.ljust(8)} {finding.text}"
    return [line, f"  fix: {finding.fix}"] if finding.fix else [line]


def gather(session: Session | None, environment: Mapping[str, str]) -> Facts:
    """Look at the machine, and at the stack of `session` where there is one."""
    home = session.paths.home if session else state_home(environment)
    engine = _greet_engine(environment)
    facts = Facts(
        own_version=__version__,
        python=sys.version_info[:3],
        engine=engine,
        compose=_ask_compose(environment),
        buildx=_ask_tool(["docker", "buildx", "version"], environment, "install the Docker Buildx plugin"),
        git=_ask_tool(["git", "--version"], environment, "install git"),
        open_files=_open_files(),
        state=_look_at_state(home),
        disks=_look_at_disks(home, environment, has_engine=bool(engine.version)),
        daemon=_look_at_daemon(session) if session else None,
    )
    return _add_stack(facts, session) if session else facts


def _add_stack(facts: Facts, session: Session) -> Facts:
    from devenv.cli.loading import load_session  # noqa: PLC0415 - reads the configuration

    try:
        stack = load_session(session)
    except DevenvError as error:
        return replace(facts, config_error=error)
    return replace(
        facts,
        stack=stack.name,
        engine_choice=str(stack.engine),
        containers=_look_for_stand_ins(stack, search=not facts.engine.version),
        ports=_look_at_ports(session, stack),
    )


def _greet_engine(environment: Mapping[str, str]) -> Tool:
    from devenv.adapters.engine.endpoint import find_endpoint, greet  # noqa: PLC0415

    try:
        version = greet(find_endpoint(environment)).version
    except HostError as error:
        return Tool(why=error.why, fix=error.fix)
    return Tool(version=version or "of an encrypted endpoint, which was not asked")


def _ask_compose(environment: Mapping[str, str]) -> Tool:
    from devenv.adapters.engine.compose import find_plugin  # noqa: PLC0415

    fix = "install the Docker Compose plugin (version 2.24 or later)"
    plugin = find_plugin(environment)
    if plugin is None:
        return Tool(why="its plugin is in none of Docker's cli-plugins folders", fix=fix)
    return _ask_tool([*plugin, "version", "--short"], environment, fix)


def _ask_tool(argv: Sequence[str], environment: Mapping[str, str], fix: str) -> Tool:
    """Return the version in the first line that a program prints."""
    program = shutil.which(argv[0], path=environment.get("PATH"))
    if program is None:
        return Tool(why=f"{argv[0]} is not on the PATH", fix=fix)
    try:
        done = subprocess.run(
            [program, *argv[1:]], capture_output=True, stdin=subprocess.DEVNULL, text=True, errors="replace",
            timeout=_TOOL_S, check=False, env=dict(environment),
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return Tool(why=str(error), fix=fix)
    if done.returncode != 0:
        complaint = (done.stderr or done.stdout).strip().splitlines()
        return Tool(why=complaint[0] if complaint else f"`{' '.join(argv)}` ended with {done.returncode}", fix=fix)
    words = [word for word in done.stdout.split() if word.lstrip("v")[:1].isdigit()]
    return Tool(version=words[0].lstrip("v") if words else done.stdout.strip()[:40] or "of unknown version")


def _open_files() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return soft if soft != resource.RLIM_INFINITY else 1 << 20


def _look_at_state(home: Path) -> StateFolder:
    existing = _nearest(home)
    seen = existing.stat()
    if existing != home.resolve() and existing != home:
        # It will be made, private, by the first `up`.
        return StateFolder(path=str(home), is_writable=os.access(existing, os.W_OK | os.X_OK))
    return StateFolder(
        path=str(home),
        mode=stat.S_IMODE(seen.st_mode),
        is_own=seen.st_uid == os.getuid(),
        is_writable=os.access(existing, os.W_OK | os.X_OK),
    )


def _look_at_disks(home: Path, environment: Mapping[str, str], *, has_engine: bool) -> tuple[Disk, ...]:
    places = {"state and logs": _nearest(home)}
    if has_engine and (root := _docker_root(environment)):
        places["Docker's images and volumes"] = root
    return tuple(Disk(what=what, path=str(path), free=shutil.disk_usage(path).free) for what, path in places.items())


def _docker_root(environment: Mapping[str, str]) -> Path | None:
    """Return the engine's folder where it is on this machine and may be looked at."""
    from devenv.adapters.engine.endpoint import find_endpoint  # noqa: PLC0415
    from devenv.adapters.engine.line import EngineLine  # noqa: PLC0415

    line = EngineLine(find_endpoint(environment))
    try:
        root = Path(str(line.ask_now(lambda client: client.info()).get("DockerRootDir", "")))
        return root if root.is_absolute() and root.is_dir() else None
    except (HostError, OSError):
        return None
    finally:
        line.close()


def _look_at_daemon(session: Session) -> DaemonFact:
    paths = session.paths
    client = Client(str(paths.socket))
    listens = client.is_there()
    broken = paths.record.with_name("record.json.broken")
    return DaemonFact(
        socket=str(paths.socket),
        limit=SOCKET_PATH_BYTES,
        length=len(os.fsencode(paths.socket)),
        listens=listens,
        version=str(client.get("/v1/version").get("devenv", "")) if listens else "",
        left_socket=paths.socket.exists(),
        left_record=paths.record.exists(),
        broken_record=str(broken) if broken.exists() else "",
    )


def _look_for_stand_ins(stack: Stack, *, search: bool) -> tuple[ContainerNeed, ...]:
    from devenv.adapters.embedded.binaries import find_servers  # noqa: PLC0415
    from devenv.adapters.embedded.stand_ins import classify_image  # noqa: PLC0415

    needs = []
    for name, service in stack.services.items():
        if not isinstance(service.run, ContainerRun):
            continue
        kind = classify_image(service.run.image) if search and not service.run.builds else None
        servers = find_servers(kind) if kind else ()
        stand_in = servers[0].label if servers else ""
        needs.append(ContainerNeed(service=name, image=service.run.image, builds=service.run.builds, stand_in=stand_in))
    return tuple(needs)


def _look_at_ports(session: Session, stack: Stack) -> tuple[PortFact, ...]:
    from devenv.cli.port_holders import look_at_ports  # noqa: PLC0415 - an event loop
    from devenv.cli.showing_ports import free_command  # noqa: PLC0415
    from devenv.domain.conflict_words import describe_holder  # noqa: PLC0415

    wanted = [(service, port) for service in stack.services.values() for port in service.ports if port.number]
    look = look_at_ports(session, session.environment, [port.number for _, port in wanted if port.number])
    facts = []
    for service, port in wanted:
        held = next(
            (one for one in look.held if (one.holder.port, one.holder.transport) == (port.number, port.transport)), None
        )
        fact = PortFact(service=service.name, port=port.number or 0)
        if held is not None:
            fact = replace(
                fact,
                holder=describe_holder(held.holder, held.ownership, context=look.context),
                ownership=held.ownership,
                will_free=_may_settle(service),
                fix=free_command(held, look.context),
            )
        facts.append(fact)
    return tuple(facts)


def _may_settle(service: Service) -> bool:
    return all(port.on_conflict in {OnConflict.FREE, OnConflict.MOVE} for port in service.ports)


def _nearest(path: Path) -> Path:
    """Return the folder, or the nearest above it that exists, links followed."""
    found = path.resolve()
    while not found.exists():
        found = found.parent
    return found
