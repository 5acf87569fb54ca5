"""The command that gets the work to every remote: sync.

Thin. Must not know git.
"""

from typing import Annotated

import typer

from devenv.cli.arguments import Json, session_of


def sync(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done.")] = False,
    as_json: Json = False,
) -> None:
    """Keep or commit, promote, mirror and push, as `git:` says; 7 where something was not done. Never with force."""
    from devenv.cli.syncing import sync_now  # noqa: PLC0415

    raise typer.Exit(sync_now(session_of(context), dry_run=dry_run, as_json=as_json))


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(sync)
