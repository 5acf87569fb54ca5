"""Which services there may be, for completion on the Tab key.

Cheap on purpose: a JSON file and a look at lines; no YAML library, no daemon. Must not be believed by anything but
completion. Invariant: never raises and never prints, whatever the files look like.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import typer

from devenv.cli.session import open_session
from devenv.domain.errors import DevenvError, UsageError

SHELLS = ("bash", "zsh", "fish", "powershell")
_ENTRY = re.compile(r"^(?P<indent>[ ]+)(?P<quote>[\"']?)(?P<name>[\w.-]+)(?P=quote):(?:\s|$)")
_PROCFILE_ENTRY = re.compile(r"^(?P<name>[\w.-]+):\s*\S")
_LONGEST_FILE = 1 << 20


def complete_services(context: typer.Context, incomplete: str) -> list[str]:
    """Return the services that begin with `incomplete`."""
    given = context.parent.params if context.parent else {}
    try:
        session = open_session(given.get("file"), given.get("project"), ())
        names = [*_recorded(session.paths.record), *_written(Path(session.file))]
    except (DevenvError, OSError, ValueError):
        return []
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _recorded(path: Path) -> list[str]:
    """Return the services of the run record."""
    try:
        services = json.loads(path.read_bytes())["services"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(services) if isinstance(services, dict) else []


def _written(path: Path) -> list[str]:
    """Return what looks like a service in the file itself and in the Compose files that it names."""
    if path.name.lower().endswith("procfile"):
        return [found["name"] for line in _lines(path) if (found := _PROCFILE_ENTRY.match(line))]
    lines = _lines(path)
    named = (path.parent / word for word in _compose_files(lines))
    return [*_entries(lines), *(name for file in named for name in _entries(_lines(file)))]


def _lines(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST_FILE).splitlines()
    except OSError:
        return []


def _entries(lines: list[str]) -> Iterator[str]:
    """Yield the keys one level below `services:`."""
    inside, depth = False, 0
    for line in lines:
        if line[:1] not in {"", " ", "#"}:
            inside, depth = line.startswith("services:"), 0
        found = _ENTRY.match(line) if inside else None
        if found:
            depth = depth or len(found["indent"])
            if len(found["indent"]) == depth:
                yield found["name"]


def _compose_files(lines: list[str]) -> list[str]:
    """Return the files in `compose: [a.yml, b.yml]` or the list below `compose:`."""
    for index, line in enumerate(lines):
        if line.startswith("compose:"):
            here = line.split("#")[0].removeprefix("compose:")
            below = list(_list_items(lines[index + 1 :]))
            return [word.strip("\"'") for word in re.split(r"[\s,\[\]]+", here) if word] or below
    return []


def _list_items(lines: list[str]) -> Iterator[str]:
    for line in lines:
        stripped = line.strip()
        if not stripped.startswith("- "):
            return
        yield stripped[2:].split("#")[0].strip().strip("\"'")


def completion_script(shell: str) -> str:
    """Return the script that makes `shell` complete the devenv command. Raises UsageError for an unknown shell."""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # noqa: PLC0415 - seldom needed

    if shell not in SHELLS:
        why = f"it is one of {', '.join(SHELLS)}"
        raise UsageError(f"cannot complete for {shell}", why=why, fix="devenv completion bash")
    return str(get_completion_script(prog_name="devenv", complete_var="_DEVENV_COMPLETE", shell=shell))
