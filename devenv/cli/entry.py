"""The way in: the few words that are typed all day take a short way, everything else the command framework.

Loading Typer and declaring all commands costs 60 ms; `status`, `up` and `down` in their plain forms need none of it.
Must not know what a command does. Invariant: the short way is taken only where it means exactly what the long one
would; an option, a variable or a word that it does not know leads to the long one.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.cli.boundary import conduct
from devenv.cli.output import here

if TYPE_CHECKING:
    from devenv.cli.session import Session

_SHARED = {"-f": "file", "--file": "file", "-p": "project", "--project-name": "project"}
_TWINS = ("DEVENV_FILE", "DEVENV_PROJECT_NAME", "DEVENV_PROFILES", "DEVENV_ENGINE", "DEVENV_PROGRESS")
_COMPLETION = "_DEVENV_COMPLETE"


def run(arguments: list[str]) -> int:
    """Run the command in `arguments`; return its exit status."""
    plain = read_plain(arguments, here())
    if plain is None:
        from devenv.cli.main import run as run_framework  # noqa: PLC0415 - what this module is here to avoid

        return run_framework(arguments)
    return conduct(plain.call, as_json=plain.as_json)


@dataclass(slots=True, kw_only=True)
class Plain:
    """A command in its plain form."""

    verb: str
    file: str | None = None
    project: str | None = None
    services: list[str] = field(default_factory=list)
    progress: str = "auto"
    as_json: bool = False

    def call(self) -> int:
        """Carry it out."""
        from devenv.cli.session import open_session  # noqa: PLC0415

        session = open_session(self.file, self.project, ())
        return _CALLS[self.verb](self, session)


def read_plain(arguments: list[str], environment: Mapping[str, str]) -> Plain | None:
    """Return the command in `arguments`, None where the framework has to read them."""
    if any(name in environment for name in (*_TWINS, _COMPLETION)):
        return None
    words = iter(arguments)
    shared: dict[str, str] = {}
    for word in words:
        if word in _SHARED:
            value = next(words, None)
            if value is None:
                return None
            shared[_SHARED[word]] = value
            continue
        plain = Plain(verb=word, file=shared.get("file"), project=shared.get("project"))
        return _read_rest(plain, words) if word in _CALLS else None
    return None


def _read_rest(plain: Plain, words: Iterator[str]) -> Plain | None:
    """Read what follows the verb."""
    for word in words:
        if word == "--json":
            plain.as_json = True
        elif word == "--progress" and plain.verb in {"up", "down"}:
            plain.progress = next(words, "")
        elif word in {"-d", "--detach"} and plain.verb == "up":
            continue
        elif word and not word.startswith("-") and plain.verb == "up":
            plain.services.append(word)
        else:
            return None
    return plain if plain.progress else None


def _up(plain: Plain, session: "Session") -> int:
    from devenv.cli.lifting import UpOptions, bring_up  # noqa: PLC0415

    options = UpOptions(services=tuple(plain.services), pull=True, progress=plain.progress, as_json=plain.as_json)
    return bring_up(session, options)


def _down(plain: Plain, session: "Session") -> int:
    from devenv.cli.lifting import take_down  # noqa: PLC0415

    body = {"volumes": False, "grace_s": None, "prune": False}
    return take_down(session, body, progress=plain.progress, as_json=plain.as_json, with_sync=True)


def _status(plain: Plain, session: "Session") -> int:
    from devenv.cli.showing import show_status  # noqa: PLC0415

    return show_status(session, as_json=plain.as_json)


_CALLS: Mapping[str, Callable[[Plain, "Session"], int]] = {"up": _up, "down": _down, "status": _status, "ps": _status}
