"""The commands that keep, put back and migrate a service's database: snapshot and migrate.

Thin; the bodies are imported when a command runs. Must not know databases. Invariant: what replaces data asks first, or
is told `--yes`.
"""

from typing import Annotated

import typer

from devenv.cli.arguments import Json, Services, session_of
from devenv.cli.completing import complete_services

Yes = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A snapshot's name.", show_default=False)]
Of = Annotated[
    str | None,
    typer.Option("-s", "--service", help="The service whose database is meant.", autocompletion=complete_services),
]

snapshots = typer.Typer(
    name="snapshot",
    help="Keep a service's database, and put it back.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@snapshots.command()
def save(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(help="What to call it; service and time without it.", show_default=False)
    ] = None,
    service: Of = None,
    as_json: Json = False,
) -> None:
    """Dump the databases of the stack's services, or of one."""
    from devenv.cli.snapshotting import save_snapshots  # noqa: PLC0415

    raise typer.Exit(save_snapshots(session_of(context), name or "", service=service, as_json=as_json))


@snapshots.command("list")
def list_(context: typer.Context, service: Of = None, as_json: Json = False) -> None:
    """List the snapshots of this stack, the newest first."""
    from devenv.cli.snapshotting import list_snapshots  # noqa: PLC0415

    raise typer.Exit(list_snapshots(session_of(context), service=service, as_json=as_json))


@snapshots.command()
def show(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Show what is known of a snapshot."""
    from devenv.cli.snapshotting import show_snapshot  # noqa: PLC0415

    raise typer.Exit(show_snapshot(session_of(context), name, as_json=as_json))


@snapshots.command()
def restore(context: typer.Context, name: Name, service: Of = None, yes: Yes = False, as_json: Json = False) -> None:
    """Put a snapshot in the place of everything in its service's database; says first what the checkout will miss."""
    from devenv.cli.snapshotting import restore_by_name  # noqa: PLC0415

    raise typer.Exit(restore_by_name(session_of(context), name, service=service, agreed=yes, as_json=as_json))


@snapshots.command()
def rm(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="Snapshots' names.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Remove snapshots."""
    from devenv.cli.snapshotting import remove_snapshots  # noqa: PLC0415

    raise typer.Exit(remove_snapshots(session_of(context), tuple(names), as_json=as_json))


def migrate(
    context: typer.Context,
    services: Services = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Restore the snapshot that the last migration began with.")
    ] = False,
    no_snapshot: Annotated[bool, typer.Option("--no-snapshot", help="Keep nothing to go back to.")] = False,
    allow_destructive: Annotated[
        bool, typer.Option("--allow-destructive", help="Run a command that throws data away.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Snapshot, run the services' migration command, check the database; 6 if it is not what the code expects."""
    from devenv.cli.migrating import MigrateOptions, migrate_services, roll_back  # noqa: PLC0415

    session = session_of(context)
    names = tuple(services or ())
    if rollback:
        raise typer.Exit(roll_back(session, names, agreed=yes, as_json=as_json))
    options = MigrateOptions(with_snapshot=not no_snapshot, allow_destructive=allow_destructive, as_json=as_json)
    raise typer.Exit(migrate_services(session, names, options))


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    app.add_typer(snapshots)
    app.command()(migrate)
