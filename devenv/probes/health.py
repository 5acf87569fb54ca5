"""The health probe: the container's own health check, run by us instead of waited for.

Docker looks only once per interval (and not at all without systemd on some engines); the same command through the
engine answers now. Must not know where the check was declared. Invariant: `NONE` and nothing declared are refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devenv.domain.probe import NotYet, Outcome, Target
from devenv.probes.exec import run_check


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """`health: true` runs the check that the image or the Compose file declares."""

    kind: ClassVar[str] = "health"
    asks_port: ClassVar[bool] = False
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    value: bool = True
    attempt_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.value:
            raise ValueError("health: false checks nothing; leave it out")

    def describe(self) -> str:
        """Return the kind."""
        return "health check"

    async def check(self, target: Target) -> Outcome:
        """Run the declared command once."""
        argv = _to_argv(target.health_test)
        if not argv:
            return NotYet(reason=f"neither the image nor the Compose file of {target.service} declares one", final=True)
        return await run_check(argv, self.describe(), target)


def _to_argv(test: tuple[str, ...]) -> tuple[str, ...]:
    """Return the command of a health check in any of Docker's forms."""
    match test:
        case () | ("NONE" | "", *_):
            return ()
        case ("CMD-SHELL", *words):
            return ("/bin/sh", "-c", " ".join(words)) if words else ()
        case ("CMD", *words):
            return tuple(words)
        case _:
            return test
