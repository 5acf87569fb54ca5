"""Held ports in words: who has one, and the command that frees it.

Must not know how they were found, nor decide anything. Invariant: no text of a process reaches a terminal with control
codes in it, and every command given can be pasted as it stands.
"""

import shlex

from devenv.domain.errors import PortHeld
from devenv.domain.holders import Holder, ProcessFacts
from devenv.domain.model import OnConflict
from devenv.domain.ownership import STOPPABLE, Conflict, KnownStack, Ownership, Self, is_engine, is_system

NOBODY = Self(uid=-1, pid=-1)
"""The context of a caller that knows neither home nor other stacks."""
_LONGEST_COMMAND = 80


def describe_holder(holder: Holder, ownership: Ownership, *, context: Self = NOBODY) -> str:
    """Return who `holder` is, in one line."""
    said = [_name_holder(holder, ownership, context)]
    if holder.hung:
        said.append("hung: it accepts connections but does not answer")
    return "; ".join(said)


def describe_process(holder: Holder) -> str:
    """Return who `holder` is where nobody judged it: a stale server that answers in a service's place."""
    return describe_holder(holder, Ownership.STRANGER)


def describe_conflict(conflict: Conflict, *, context: Self = NOBODY) -> str:
    """Return port, service, holder and whoever may start the holder again, in one line."""
    port = f"{conflict.port.number}/{conflict.port.transport}"
    holder = describe_holder(conflict.holder, conflict.ownership, context=context)
    line = f"{port} (service {conflict.service}): {holder}"
    if conflict.respawner:
        line += f"; it was started by {_clean(conflict.respawner)}, which may start it again"
    return line


def remedy(conflict: Conflict, *, context: Self = NOBODY) -> str:
    """Return the command that frees the port of `conflict` when the user types it."""
    holder, process = conflict.holder, conflict.holder.process
    if holder.container is not None:
        return f"docker stop {shlex.quote(holder.container.name or holder.container.id[:12])}"
    if process is None:
        return f"sudo devenv ports {holder.port}"
    match conflict.ownership:
        case Ownership.STACK:
            return _stop_stack(process, context)
        case Ownership.PROTECTED:
            return _remedy_protected(conflict, process, context)
        case _:
            return f"kill {process.id.pid}"


def to_error(refused: tuple[Conflict, ...], *, context: Self = NOBODY) -> PortHeld:
    """Return one error for all of `refused`: a line each, and the command that settles them."""
    names = list(dict.fromkeys(f"{one.port.number} ({one.service})" for one in refused))
    fix = _settle(refused, context)
    if len(refused) == 1:
        line = describe_conflict(refused[0], context=context)
        other = remedy(refused[0], context=context)
        either = fix if other == fix else f"{fix}   (or: {other})"
        return PortHeld(f"cannot use port {names[0]}", why=line.partition(": ")[2], fix=either)
    return PortHeld(
        f"cannot use {len(names)} ports: {', '.join(names)}" if len(names) > 1 else f"cannot use port {names[0]}",
        why=f"{len(refused)} holders, and nobody agreed to stop them",
        fix=fix,
        details=tuple(
            f"{describe_conflict(one, context=context)} -> {remedy(one, context=context)}" for one in refused
        ),
    )


def shorten_home(path: str, home: str) -> str:
    """Return `path` with `~` for the user's home."""
    inside = home not in {"", "/"} and (path == home or path.startswith(f"{home}/"))
    return f"~{path[len(home) :]}" if inside else path


def _name_holder(holder: Holder, ownership: Ownership, context: Self) -> str:
    container, process = holder.container, holder.process
    if container is not None:
        facts = [f"image {container.image}"] if container.image else []
        facts += [f"Compose project {container.project}"] if container.project else []
        return _clean(f"container {container.name or container.id[:12]}{_in_brackets(facts)} through Docker's proxy")
    if process is None:
        return "a process that may not be looked at" + _in_brackets([f"uid {holder.uid}"] if holder.uid >= 0 else [])
    if ownership is Ownership.STACK:
        return _name_stack(process, context)
    where = f" in {shorten_home(process.working_dir, context.home)}" if process.working_dir else ""
    facts = [f"user {process.user}"] if process.user else []
    facts += [f"{describe_age(process.age_s)} old"] if process.age_s > 0 else []
    return _clean(f"pid {process.id.pid}{_quote_command(process.command)}{where}{_in_brackets(facts)}")


def _name_stack(process: ProcessFacts, context: Self) -> str:
    stack = context.stacks.get(process.marker_stack, KnownStack(name=process.marker_stack, root=""))
    where = f" in {shorten_home(stack.root, context.home)}" if stack.root else ""
    facts = [f"service {process.marker_service}"] if process.marker_service else []
    return _clean(f"devenv stack {stack.name}{where}{_in_brackets([*facts, f'pid {process.id.pid}'])}")


def describe_age(age_s: float) -> str:
    """Return an age with the one unit that matters: `40 s`, `5 min`, `3 h`, `2 d`."""
    for unit_s, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if age_s >= unit_s:
            return f"{age_s / unit_s:.0f} {unit}"
    return f"{age_s:.0f} s"


def _stop_stack(process: ProcessFacts, context: Self) -> str:
    stack = context.stacks.get(process.marker_stack)
    if stack is not None and (stack.file or stack.root):
        return f"devenv -f {shlex.quote(stack.file or f'{stack.root}/services.yaml')} down"
    return f"cd {shlex.quote(process.working_dir)} && devenv down" if process.working_dir else f"kill {process.id.pid}"


def _remedy_protected(conflict: Conflict, process: ProcessFacts, context: Self) -> str:
    """Say what the user may do in devenv's place; where there is no sane command, how to go round it."""
    number, pid = conflict.port.number, process.id.pid
    if is_engine(process.command) or is_engine(process.parent_command):
        return f"docker ps --filter publish={number}"
    if pid <= 1 or pid == context.pid or pid in context.ancestors or is_system(process.command):
        return f"set `on_conflict: move` for port {number} of {conflict.service}"
    return f"sudo kill {pid}  # user {process.user or process.uid}'s: devenv never ends it"


def _settle(refused: tuple[Conflict, ...], context: Self) -> str:
    beyond = [one for one in refused if one.ownership not in STOPPABLE or one.port.on_conflict is OnConflict.FAIL]
    return remedy(beyond[0], context=context) if beyond else "devenv up --free-ports"


def _quote_command(command: str) -> str:
    short = command if len(command) <= _LONGEST_COMMAND else f"{command[: _LONGEST_COMMAND - 3]}..."
    return f' "{short}"' if short else ""


def _in_brackets(facts: list[str]) -> str:
    return f" ({', '.join(facts)})" if facts else ""


def _clean(text: str) -> str:
    """Replace what a terminal would act on: names and commands are the holder's own choice."""
    return "".join(char if char.isprintable() else "?" for char in text)
