"""Keeps the run record: what was started, written down soon after it happened.

Must not know how a record is stored. Invariant: a record that cannot be written is said and stops nothing; what it
misses can still be found by marker and label.
"""

from dataclasses import replace

import anyio

from devenv.app.crew import Crew
from devenv.app.instances import ProcessInstance
from devenv.app.ports import Record, Recorded
from devenv.domain.errors import DevenvError
from devenv.domain.events import ServiceView
from devenv.domain.model import Stack, Stop

SAVE_PAUSE_S = 0.02
"""Changes that come closer together than this are written to disk as one."""


async def keep_record(crew: Crew) -> None:
    """Write the run record after each burst of changes, for ever."""
    while True:
        bell = crew.board.changes()
        save_record(crew)
        await bell.wait()
        await anyio.sleep(SAVE_PAUSE_S)


def save_record(crew: Crew) -> None:
    """Write the run record now; nothing is written for a stack that never ran anything."""
    if crew.stack is None or not crew.board.views:
        return
    try:
        crew.tools.record.save(_record(crew, crew.stack))
    except DevenvError as error:
        crew.board.note(f"{error.what}: {error.why}", level="warning")


def _record(crew: Crew, stack: Stack) -> Record:
    return Record(
        stack=stack.name,
        root=stack.root,
        file=stack.files[0] if stack.files else "",
        boot=crew.tools.boot,
        compose=replace(stack.compose, model={}, environment={}) if stack.compose else None,
        services={name: _recorded(crew, name, view) for name, view in crew.board.views.items()},
        ports=dict(crew.port_numbers),
        asked_ports=dict(crew.asked_ports),
        weights=dict(crew.weights),
    )


def _recorded(crew: Crew, name: str, view: ServiceView) -> Recorded:
    runner = crew.runners.get(name)
    instance = runner.instance if runner else None
    return Recorded(
        view=view,
        fingerprint=runner.fingerprint if runner else "",
        process=instance.process if isinstance(instance, ProcessInstance) else None,
        log_start=instance.log_start if isinstance(instance, ProcessInstance) else 0,
        stop=runner.service.stop if runner else Stop(),
    )
