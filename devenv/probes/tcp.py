"""The tcp probe: something listens.

Must not know what is spoken there. Invariant: an accepted connection counts only where no proxy accepts in the
service's place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from devenv.domain.probe import NotYet, Outcome, Passed, Target
from devenv.probes.reach import find_obstacle, join


@dataclass(frozen=True, slots=True, kw_only=True)
class Tcp:
    """`tcp: true` checks the service's own port, a number another one of its ports, `host:port` any other place."""

    kind: ClassVar[str] = "tcp"
    asks_port: ClassVar[bool] = True
    __pydantic_config__: ClassVar[Mapping[str, str]] = {"extra": "forbid"}

    value: bool | int | str = True
    attempt_s: float = 2.0

    def __post_init__(self) -> None:
        if self.value is False:
            raise ValueError("tcp: false checks nothing; leave it out")
        if isinstance(self.value, str) and "${" not in self.value:
            _parse_place(self.value)
        elif isinstance(self.value, int) and not 1 <= self.value <= 65535:
            raise ValueError(f"{self.value} is no port; ports go from 1 to 65535")

    def describe(self) -> str:
        """Return the kind and the place."""
        return "tcp" if self.value is True else f"tcp {self.value}"

    async def check(self, target: Target) -> Outcome:
        """Connect and hang up."""
        host, port = _parse_place(self.value) if isinstance(self.value, str) else ("", self.value)
        number = target.port if port is True else port
        if number is None:
            return NotYet(reason=f"{target.service} has no port to check; give one: tcp: 8000", final=True)
        address = host or target.address
        proxied = target.is_proxied and not host
        return await find_obstacle(address, number, is_proxied=proxied) or Passed(detail=join(address, number))


def _parse_place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise ValueError(f"{text!r} is neither a port nor host:port")
    return host.strip("[]"), int(port)
