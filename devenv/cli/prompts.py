"""Questions to the user, only where a person can answer.

Must not act on an answer. Invariant: no answer (end of input, Ctrl-C) means: give up.
"""

import sys
from collections.abc import Mapping
from typing import Any

from devenv.cli.output import print_aside

CHOICES = {"1": "stop", "2": "move", "3": "give-up"}


def ask_about_ports(conflicts: list[Mapping[str, Any]]) -> dict[str, str] | None:
    """Return a decision for each holder, by its key; None where the user gives up or a conflict allows no choice."""
    if not all(conflict["can_ask"] for conflict in conflicts):
        return None
    decisions: dict[str, str] = {}
    for conflict in conflicts:
        if conflict["key"] in decisions:
            continue
        print_aside(f"port {conflict['text']}")
        can_stop = conflict["ownership"] not in {"protected", "unknown"}
        answer = _choose(str(conflict["service"]), can_stop=can_stop)
        if answer == "give-up":
            return None
        decisions[conflict["key"]] = answer
    return decisions


def confirm(question: str) -> bool:
    """Return whether the user typed yes."""
    return _read(f"{question} [y/N] ").lower() in {"y", "yes"}


async def confirm_beside(question: str) -> bool:
    """Do as `confirm` while an event loop runs, which goes on meanwhile: a thread that reads could not be ended."""
    import anyio  # noqa: PLC0415 - only where a loop runs, and has loaded it

    _show(f"{question} [y/N] ")
    await anyio.wait_readable(sys.stdin)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _choose(service: str, *, can_stop: bool) -> str:
    stop = "1) stop it   " if can_stop else ""
    while True:
        typed = _read(f"  {stop}2) another port for {service}   3) give up  [3] ") or "3"
        if typed in CHOICES and (can_stop or typed != "1"):
            return CHOICES[typed]
        print_aside("  type the number of an answer")


def _read(prompt: str) -> str:
    try:
        _show(prompt)
        return sys.stdin.readline().strip()
    except KeyboardInterrupt:
        print_aside("")
        return ""


def _show(prompt: str) -> None:
    print(prompt, end="", file=sys.stderr, flush=True)  # noqa: T201 - a question is asked where the user looks
