"""The commands that check: check, and schema diff.

Thin. Must not look at anything themselves. Invariant: neither changes a database, a file or what runs.
"""

import gc
from typing import Annotated

import typer

from devenv.cli.arguments import Json, Services, session_of

Database = Annotated[str | None, typer.Option("--database", metavar="URL", help="Check this database, read-only.")]
EnvFile = Annotated[str | None, typer.Option("--env-file", metavar="F", help="Check with the variables of this file.")]

schema_app = typer.Typer(
    help="Look at the difference between code and database.", no_args_is_help=True, rich_markup_mode=None
)


def check(
    context: typer.Context,
    services: Services = None,
    database: Database = None,
    env_file: EnvFile = None,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where a check could not be made, too.")] = False,
    junit: Annotated[str | None, typer.Option("--junit", metavar="FILE", help="Write a JUnit report.")] = None,
    as_json: Json = False,
) -> None:
    """Check databases, migrations, packages and variables against the code; 6 where something blocks."""
    gc.disable()  # a command of a second: looking for garbage among modules and rows costs a tenth of it
    from devenv.cli.checking import CheckOptions, run_check  # noqa: PLC0415 - reads the configuration

    options = CheckOptions(
        services=tuple(services or ()),
        database=database,
        env_file=env_file,
        strict=strict,
        junit=junit,
        as_json=as_json,
    )
    raise typer.Exit(run_check(session_of(context), options))


@schema_app.command("diff")
def diff(
    context: typer.Context,
    services: Services = None,
    database: Database = None,
    env_file: EnvFile = None,
    ids: Annotated[bool, typer.Option("--ids", help="Show the ids that an `accept` file takes.")] = False,
    as_json: Json = False,
) -> None:
    """Show every difference between models and database, by table; 6 where one breaks the code."""
    from devenv.cli.checking import CheckOptions, show_differences  # noqa: PLC0415 - reads the configuration

    options = CheckOptions(services=tuple(services or ()), database=database, env_file=env_file, as_json=as_json)
    raise typer.Exit(show_differences(session_of(context), options, with_ids=ids))


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    app.command()(check)
    app.add_typer(schema_app, name="schema")
