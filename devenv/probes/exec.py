"""The exec probe: a command succeeds, inside the service's container or beside its process.

Must not know how commands are run. Invariant: only exit status 0 passes; a command that cannot be found never will.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devenv.domain.errors import DevenvError
from devenv.domain.probe import NotYet, Outcome, Passed, Target
from devenv.probes.reach import shorten

_CANNOT_RUN = {126: "it cannot be executed", 127: "no such command"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exec:
    """`exec: pg_isready -q` runs through a shell, a list of words without one."""

    kind: ClassVar[str] = "exec"
    asks_port: ClassVar[bool] = False
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    value: str | tuple[str, ...]
    attempt_s: float = 10.0

    def __post_init__(self) -> None:
        if not self.value or (isinstance(self.value, str) and not self.value.strip()):
            raise ValueError("exec needs a command")

    def describe(self) -> str:
        """Return the kind and the command's name: its arguments may hold secrets."""
        first = self.value.split()[0] if isinstance(self.value, str) else self.value[0]
        return f"exec {first}"

    async def check(self, target: Target) -> Outcome:
        """Run it once."""
        argv = ("/bin/sh", "-c", self.value) if isinstance(self.value, str) else self.value
        return await run_check(argv, self.describe(), target)


async def run_check(argv: tuple[str, ...], name: str, target: Target) -> Outcome:
    """Run `argv` where the service runs and judge by its exit status; `name` stands for it in the reason."""
    if target.execute is None:
        return NotYet(reason=f"{name}: there is nowhere to run a command for {target.service}", final=True)
    try:
        ended = await target.execute(argv)
    except DevenvError as error:
        return NotYet(reason=f"{name} could not run: {error.why or error.what}")
    if ended.status == 0:
        return Passed(detail="exit 0")
    lines = [line for line in ended.output.splitlines() if line.strip()]
    said = f": {shorten(lines[-1])}" if lines else ""
    why = f" ({_CANNOT_RUN[ended.status]})" if ended.status in _CANNOT_RUN else ""
    reason = f"{name} ended with exit status {ended.status}{why}{said}"
    return NotYet(reason=reason, final=ended.status in _CANNOT_RUN)
