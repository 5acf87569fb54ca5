"""The command that gives disk space back: prune.

Thin; the body is imported when it runs. Must not know what may go. Invariant: what is not this project's asks first,
or is told `--yes`.
"""

from typing import Annotated

import typer

from devenv.cli.arguments import Json, session_of


def prune(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go, and remove nothing.")] = False,
    all_unused: Annotated[
        bool, typer.Option("--all-unused", help="Also what other projects left on the engine; asks first.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Give disk space back: the project's unused containers, networks and images, and what `clean:` names.

    Volumes stay, and so does what runs, what git tracks, and what a process of the stack has open.
    """
    from devenv.cli import pruning  # noqa: PLC0415

    options = pruning.PruneOptions(dry_run=dry_run, all_unused=all_unused, agreed=yes, as_json=as_json)
    raise typer.Exit(pruning.prune(session_of(context), options))


def register(app: typer.Typer) -> None:
    """Add this command to `app`."""
    app.command()(prune)
