"""The arguments that several commands share.

Must not know what a command does. Invariant: an argument of one name means the same in every command.
"""

from typing import Annotated

import typer

from devenv.cli.completing import complete_services
from devenv.cli.session import Session, open_session

Services = Annotated[
    list[str] | None, typer.Argument(help="Services; all of them if none is named.", autocompletion=complete_services)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def session_of(context: typer.Context, profiles: tuple[str, ...] = ()) -> Session:
    """Return the session that the command's own options lead to. Raises UsageError where there is no stack."""
    shared = context.obj
    return open_session(shared["file"], shared["project"], (*shared["profiles"], *profiles))
