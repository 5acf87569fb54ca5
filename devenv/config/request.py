"""What a user asks for when a stack is read: where to look, and what overrides the files.

A value and nothing else, taken by the readers of all kinds of file. Invariant: `environment` is the user's own
and the only environment that reading looks at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from devenv.domain.model import EngineChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asks for: where to look, and what overrides the files."""

    start: str
    file: str | None = None
    project: str | None = None
    profiles: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    engine: EngineChoice | None = None
