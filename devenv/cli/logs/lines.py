"""Log lines as text: prefix, colour, time, or JSON; and the standard output that they go to.

Must not know where lines come from. Invariant: a reader that has gone away ends the command quietly.
"""

import json
import os
import select
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from devenv.adapters.logs.reader import LogLine

VERSION = 1
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_RESET = "\x1b[0m"


@dataclass(slots=True, kw_only=True)
class Style:
    """How lines look. `width` is that of the longest service name so far."""

    as_json: bool = False
    prefix: bool = True
    timestamps: bool = False
    colour: bool = False
    width: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)

    def make_room(self, services: Iterable[str]) -> None:
        """Pad the prefixes for `services` from now on; each keeps its colour."""
        for service in services:
            self.width = max(self.width, len(service))
            self._numbers.setdefault(service, len(self._numbers))

    def format(self, line: LogLine) -> str:
        """Return `line` as it is printed."""
        if self.as_json:
            return json.dumps(line_document(line))
        text = f"{_local(line.at)} {line.text}" if self.timestamps else line.text
        if not self.prefix:
            return text
        self.make_room([line.service])
        name = f"{line.service.ljust(self.width)} | "
        if self.colour:
            name = f"\x1b[{_COLOURS[self._numbers[line.service] % len(_COLOURS)]}m{name}{_RESET}"
            text = text + _RESET if "\x1b" in text else text
        return name + text


def line_document(line: LogLine) -> dict[str, object]:
    """Return a line as `logs --json` prints it."""
    at = datetime.fromtimestamp(line.at, UTC).isoformat(timespec="milliseconds")
    return {"version": VERSION, "service": line.service, "at": at, "text": line.text}


class LinePrinter:
    """Writes lines to standard output; `live` ones at once, others in large pieces."""

    def __init__(self, style: Style) -> None:
        self._style = style
        self._out = sys.stdout

    def show(self, line: LogLine, *, live: bool = False) -> None:
        """Write one line. Raises BrokenPipeError where nobody reads any more."""
        text = self._style.format(line)
        try:
            self._out.write(text + "\n")
        except UnicodeEncodeError:
            encoding = self._out.encoding or "ascii"
            self._out.write(text.encode(encoding, errors="backslashreplace").decode(encoding) + "\n")
        if live:
            self._out.flush()

    def make_room(self, services: Iterable[str]) -> None:
        """Pad prefixes for these services."""
        self._style.make_room(services)

    def flush(self) -> None:
        """Write out what is held back."""
        self._out.flush()


def is_output_closed() -> bool:
    """Tell whether whoever read standard output has gone away, without writing to it."""
    watched = select.poll()
    with suppress(OSError, ValueError):  # captured output has no descriptor
        watched.register(sys.stdout.fileno(), 0)
    return any(event & (select.POLLERR | select.POLLNVAL) for _, event in watched.poll(0))


def drop_output() -> None:
    """Let what is still held back go nowhere: Python would complain at its exit about a closed pipe."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _local(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone().isoformat(timespec="milliseconds")
