"""A Compose project on the real engine, for tests of the engine adapter.

Must not know tests. Invariant: whatever it made is gone when its `with` ends, and its containers end when asked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from devenv.adapters.engine.compose import read_compose
from devenv.adapters.engine.containers import DockerEngine
from devenv.app.ports import Container
from devenv.domain.errors import HostError
from devenv.domain.model import ComposeProject
from tests.support.engine import Engine, Resource

TRAP = "trap 'exit 0' TERM"
END_ON_DEMAND = "while [ ! -e /tmp/end ]; do sleep 0.02; done; exit $$(cat /tmp/end)"
"""A shell program that ends with the status that is written to /tmp/end; with TRAP before it, at once on TERM too."""


@dataclass(slots=True, kw_only=True)
class ComposeStack:
    """The adapter under test, its project and its file. `outages` is what the event stream reported."""

    containers: DockerEngine
    project: ComposeProject
    file: Path
    outages: list[HostError | None]

    async def find(self, service: str) -> Container:
        """Return the container of `service`; raises StopIteration where there is none."""
        return next(one for one in await self.containers.list() if one.service == service)

    async def up(self, *services: str) -> dict[str, str]:
        """Create and start these; return the ids by service."""
        made = {one.service: one.id for one in await self.containers.create(services)}
        for service in services:
            await self.containers.start(made[service])
        return made


@contextmanager
def compose_stack(
    engine: Engine,
    folder: Path,
    name: str,
    services: Mapping[str, Mapping[str, object]],
    *,
    top: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    read: bool = False,
) -> Iterator[ComposeStack]:
    """Write a Compose file (JSON is YAML) and give the adapter for it."""
    file = folder / "compose.yaml"
    file.write_text(json.dumps({"services": services, **(top or {})}))
    surroundings = {**os.environ, **(environment or {})}
    files = (str(file),)
    model: Mapping[str, object] = {"services": services}  # 35 ms faster, and enough where nothing is interpolated
    if read:
        model = read_compose(
            files=files, directory=str(folder), project=name, profiles=(), env_files=(), environment=surroundings
        )
    project = ComposeProject(name=name, files=files, directory=str(folder), model=model)
    outages: list[HostError | None] = []
    adapter = DockerEngine(project, state_dir=folder / "state", environment=surroundings, report_outage=outages.append)
    try:
        yield ComposeStack(containers=adapter, project=project, file=file, outages=outages)
    finally:
        adapter.close()
        remove_project(engine, name)


def remove_project(engine: Engine, name: str) -> None:
    """Remove all that carries the project's label."""
    left: set[Resource] = engine.list_resources(name)
    engine.remove(left)
