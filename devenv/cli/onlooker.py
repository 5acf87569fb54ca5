"""A view of the engine for commands that only look.

Must not change anything there. Invariant: opening connects to nothing; the first question does.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.adapters.engine.containers import DockerEngine


def open_onlooker(state_dir: Path, environment: Mapping[str, str]) -> "DockerEngine":
    """Return the engine without a project of its own. Raises HostError where the Docker context does not exist."""
    from devenv.adapters.engine.containers import DockerEngine  # noqa: PLC0415 - 100 ms, only where there are containers
    from devenv.domain.model import ComposeProject  # noqa: PLC0415

    project = ComposeProject(name="", files=(), directory="")
    return DockerEngine(project, state_dir=state_dir, environment=environment)
