"""Which lines of the logs are wanted, and the reading of those that are there.

Must not print, nor know containers. Invariant: what cannot be read as an option is refused before anything is read.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from pathlib import Path

from devenv.adapters.logs.reader import LogLine, read_lines
from devenv.domain.durations import parse_duration
from devenv.domain.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """The options of `logs`, as typed; `last` counts for each service."""

    services: tuple[str, ...] = ()
    follow: bool = False
    last: int | None = None
    since: str | None = None
    until: str | None = None
    grep: str | None = None
    as_json: bool = False
    prefix: bool = True
    timestamps: bool = False
    colour: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which lines are wanted; times are UTC seconds."""

    last: int | None = None
    since: float | None = None
    until: float | None = None
    grep: re.Pattern[str] | None = None
    keep_colour: bool = False


def read_choice(options: LogOptions, *, now: float, keep_colour: bool = False) -> Choice:
    """Return what `options` mean at the time `now`. Raises UsageError for what cannot be read."""
    try:
        grep = re.compile(options.grep) if options.grep is not None else None
    except re.error as error:
        raise UsageError(f"cannot search for {options.grep}", why=f"no regular expression: {error}") from None
    if options.last is not None and options.last < 0:
        raise UsageError(f"cannot show the last {options.last} lines", why="the number is negative")
    return Choice(
        last=options.last,
        since=read_moment("--since", options.since, now),
        until=read_moment("--until", options.until, now),
        grep=grep,
        keep_colour=keep_colour,
    )


def read_moment(option: str, text: str | None, now: float) -> float | None:
    """Return the UTC seconds of a time, or of a duration before `now`. Raises UsageError."""
    if text is None:
        return None
    duration = parse_duration(text)
    if duration is not None:
        return now - duration
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
            today = datetime.fromtimestamp(now).astimezone().strftime("%Y-%m-%d")
            return datetime.fromisoformat(f"{today}T{text if text[2] == ':' else f'0{text}'}").timestamp()
        return datetime.fromisoformat(text).timestamp()  # without an offset: local time
    except ValueError:
        why = "it is a duration (10m, 1h30m) or a time (14:05, 2025-01-31T14:05:00)"
        raise UsageError(f"cannot read {option} {text}", why=why, fix=f"devenv logs {option} 10m") from None


def read_past(folder: Path, service: str, choice: Choice) -> Iterator[LogLine]:
    """Yield what a process has written so far, as far as it is wanted."""
    if choice.until is None:
        return read_lines(
            folder, [service], since=choice.since, last=choice.last, grep=choice.grep, keep_colour=choice.keep_colour
        )
    until = choice.until
    lines = read_lines(folder, [service], since=choice.since, grep=choice.grep, keep_colour=choice.keep_colour)
    before = takewhile(lambda line: line.at <= until, lines)
    return before if choice.last is None else iter(deque(before, maxlen=choice.last))
