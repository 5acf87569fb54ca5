"""Who holds the ports of this machine, judged from this stack's side; for `devenv ports` and `devenv doctor`.

Must not print or end anything. Invariant: outside a stack nothing is called ours.
"""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio

from devenv.adapters.ports.table import HostPortTable
from devenv.adapters.processes import identity
from devenv.adapters.state.claims import list_stacks
from devenv.adapters.state.paths import state_home
from devenv.adapters.state.run_record import JsonRunRecord
from devenv.app.ports import Record
from devenv.cli.onlooker import open_onlooker
from devenv.cli.session import Session
from devenv.domain.holders import ContainerFacts, Holder
from devenv.domain.model import Transport
from devenv.domain.ownership import KnownStack, Ownership, Self, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A holder, whose it is, and the service of this stack that it belongs to ('' for none)."""

    holder: Holder
    ownership: Ownership
    service: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found; `context` names homes and stacks in words."""

    held: tuple[Held, ...]
    context: Self


def look_at_ports(session: Session | None, environment: Mapping[str, str], ports: Collection[int] | None) -> Look:
    """Return who holds `ports`, or everything that serves where None."""
    record = JsonRunRecord(session.paths.record).load() if session else None
    context = _describe_self(session, record, environment)
    home = session.paths.folder if session else state_home(environment)
    holders = anyio.run(_ask, home, environment, ports)
    return Look(held=tuple(_judge(holder, context, record) for holder in holders), context=context)


async def _ask(home: Path, environment: Mapping[str, str], ports: Collection[int] | None) -> tuple[Holder, ...]:
    async def published() -> Mapping[tuple[int, Transport], ContainerFacts]:
        engine = open_onlooker(home, environment)
        try:
            return await engine.published()
        finally:
            engine.close()

    table = HostPortTable(published)
    if ports is None:
        return await table.all_listeners()
    return await table.holders([(port, transport) for port in ports for transport in Transport])


def _describe_self(session: Session | None, record: Record | None, environment: Mapping[str, str]) -> Self:
    pid = os.getpid()
    key = session.paths.key if session else ""
    home = session.paths.home if session else state_home(environment)
    recorded = record.services.values() if record else ()
    return Self(
        uid=os.getuid(),
        pid=pid,
        ancestors=frozenset(identity.list_ancestors(pid)),
        stack_key=key,
        project_root=str(Path(session.paths.root).parent) if session else "",
        home=str(Path.home()),
        compose_project=record.compose.name if record and record.compose else "",
        own_processes=frozenset(one.process for one in recorded if one.process),
        own_containers=frozenset(one.view.container for one in recorded if one.view.container),
        stacks={
            one.key: KnownStack(name=one.name, root=one.root, file=one.file)
            for one in list_stacks(home)
            if one.key != key
        },
    )


def _judge(holder: Holder, context: Self, record: Record | None) -> Held:
    ownership = judge(holder, context=context)
    service = _find_service(holder, record) if ownership is Ownership.OURS else ""
    return Held(holder=holder, ownership=ownership, service=service)


def _find_service(holder: Holder, record: Record | None) -> str:
    if holder.container is not None:
        return holder.container.service
    if holder.process is None:
        return ""
    recorded = record.services if record else {}
    own = {one.process: name for name, one in recorded.items() if one.process}
    parent = holder.process.parent
    return own.get(holder.process.id) or holder.process.marker_service or (own.get(parent, "") if parent else "")
