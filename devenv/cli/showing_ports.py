"""`devenv ports [PORT]`: who holds what on this machine.

Works outside a stack too. Must not end anything. Invariant: what is shown can be acted on: pid, container, or the
command that frees the port.
"""

import json

from devenv.cli.output import format_table, print_data
from devenv.cli.port_holders import Held, Look, look_at_ports
from devenv.cli.session import Session
from devenv.domain.conflict_words import describe_holder, remedy
from devenv.domain.model import Port, Transport
from devenv.domain.ownership import Conflict, Ownership, Self

VERSION = 1


def show_ports(session: Session | None, port: int | None, environment: dict[str, str], *, as_json: bool) -> int:
    """Print the holders of `port`, or of all ports; return the exit status."""
    look = look_at_ports(session, environment, None if port is None else [port])
    if as_json:
        rows = [port_document(held, look.context) for held in look.held]
        print_data(json.dumps({"version": VERSION, "ports": rows}))
    elif port is not None:
        print_data("\n".join(_tell_one(look, port)))
    else:
        print_data(port_table(look) if look.held else "nothing listens on this machine")
    return 0


def port_table(look: Look) -> str:
    """Return all holders, one a line; the same holder on both address families once."""
    rows: dict[tuple[int, Transport, str, str], list[str]] = {}
    for held in look.held:
        holder = held.holder
        who = describe_holder(holder, held.ownership, context=look.context)
        address = _address(holder.address)
        key = (holder.port, holder.transport, held.service, who)
        rows.setdefault(key, []).append(address)
    return format_table(
        ("PORT", "ADDRESS", "SERVICE", "HOLDER"),
        [
            (f"{port}/{transport}", ",".join(dict.fromkeys(addresses)), service or "-", who)
            for (port, transport, service, who), addresses in rows.items()
        ],
    )


def port_document(held: Held, context: Self) -> dict[str, object]:
    """Return one holder as `ports --json` prints it."""
    holder, process, container = held.holder, held.holder.process, held.holder.container
    return {
        "port": holder.port,
        "protocol": str(holder.transport),
        "address": holder.address,
        "service": held.service,
        "ownership": str(held.ownership),
        "hung": holder.hung,
        "pid": process.id.pid if process else None,
        "command": process.command if process else "",
        "working_dir": process.working_dir if process else "",
        "user": process.user if process else "",
        "age_s": round(process.age_s, 1) if process else None,
        "container": container.name if container else "",
        "image": container.image if container else "",
        "compose_project": container.project if container else "",
        "holder": describe_holder(holder, held.ownership, context=context),
        "fix": free_command(held, context),
    }


def free_command(held: Held, context: Self) -> str:
    """Return the command that frees the port."""
    if held.ownership is Ownership.OURS:
        return f"devenv stop {held.service}" if held.service else "devenv down"
    conflict = Conflict(
        service=held.service or "the service",
        port=Port(number=held.holder.port, transport=held.holder.transport),
        holder=held.holder,
        ownership=held.ownership,
    )
    return remedy(conflict, context=context)


def _tell_one(look: Look, port: int) -> list[str]:
    if not look.held:
        return [f"{port} is free"]
    lines: dict[str, None] = {}
    for held in look.held:
        who = describe_holder(held.holder, held.ownership, context=look.context)
        ours = f"service {held.service}, " if held.service else ""
        lines[f"{port}/{held.holder.transport} on {_address(held.holder.address)}: {ours}{who}"] = None
        lines[f"  to free it: {free_command(held, look.context)}"] = None
    return list(lines)


def _address(address: str) -> str:
    return {"": "*", "0.0.0.0": "*", "::": "*"}.get(address, address)  # noqa: S104 - how it is shown
