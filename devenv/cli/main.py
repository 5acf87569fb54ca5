"""The command line: thin commands.

Every command opens a session, asks the daemon, and shows the answer; the bodies live beside this file. Imports are
late, so that a read-only command loads nothing that it does not need. Invariant: `run` returns the exit status and
lets no exception through.
"""

import json
from collections.abc import Callable
from functools import cache, partial
from typing import Annotated

import typer

from devenv import __version__
from devenv.cli import (
    commands_beside,
    commands_checking,
    commands_pruning,
    commands_reading,
    commands_snapshots,
    commands_syncing,
)
from devenv.cli.arguments import Json, Services, session_of
from devenv.cli.boundary import conduct
from devenv.cli.output import print_data

app = typer.Typer(
    name="devenv",
    help="Brings up a development environment and proves that it is usable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main(
    context: typer.Context,
    file: Annotated[str | None, typer.Option("-f", "--file", envvar="DEVENV_FILE", help="Read this file.")] = None,
    project: Annotated[
        str | None, typer.Option("-p", "--project-name", envvar="DEVENV_PROJECT_NAME", help="Name the stack.")
    ] = None,
    profile: Annotated[
        list[str] | None, typer.Option("--profile", envvar="DEVENV_PROFILES", help="Enable a profile (repeatable).")
    ] = None,
) -> None:
    """Take the options that every command shares."""
    context.obj = {"file": file, "project": project, "profiles": tuple(profile or ())}


@app.command()
def up(
    context: typer.Context,
    services: Services = None,
    no_deps: Annotated[bool, typer.Option("--no-deps", help="Leave out what the services depend on.")] = False,
    profile: Annotated[list[str] | None, typer.Option("--profile", help="Enable a profile.")] = None,
    build: Annotated[bool, typer.Option("--build", help="Build images first.")] = False,
    force_recreate: Annotated[bool, typer.Option("--force-recreate", help="Start anew what runs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be done.")] = False,
    rollback: Annotated[bool, typer.Option("--rollback", help="On failure stop what this `up` started.")] = False,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Stop whoever holds a needed port.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail where a check could not be made, too.")] = False,
    no_pull: Annotated[
        bool, typer.Option("--no-pull", help="Start with what is checked out: leave git alone.")
    ] = False,
    engine: Annotated[
        str | None, typer.Option("--engine", envvar="DEVENV_ENGINE", help="auto, docker or embedded.")
    ] = None,
    timeout: Annotated[str | None, typer.Option("--timeout", help="Give up after this long, e.g. 90s.")] = None,
    attach: Annotated[bool, typer.Option("--attach", help="Follow the logs when ready.")] = False,
    detach: Annotated[bool, typer.Option("-d", "--detach", help="The default, as in Compose.")] = True,
    progress: Annotated[
        str, typer.Option("--progress", envvar="DEVENV_PROGRESS", help="auto, plain, json or quiet.")
    ] = "auto",
    as_json: Json = False,
) -> None:
    """Bring services up: ports freed, started in order, proven ready."""
    from devenv.cli.lifting import UpOptions, bring_up  # noqa: PLC0415

    del detach
    session = session_of(context, tuple(profile or ()))
    options = UpOptions(
        services=tuple(services or ()),
        no_deps=no_deps,
        build=build,
        force_recreate=force_recreate,
        dry_run=dry_run,
        rollback=rollback,
        free_ports=free_ports,
        strict=strict,
        pull=not no_pull,
        engine=engine,
        timeout=timeout,
        attach=attach,
        progress=progress,
        as_json=as_json,
    )
    raise typer.Exit(bring_up(session, options))


@app.command()
def down(
    context: typer.Context,
    volumes: Annotated[bool, typer.Option("-v", "--volumes", help="Remove the stack's named volumes too.")] = False,
    timeout: Annotated[float | None, typer.Option("-t", "--timeout", help="Seconds until the hard signal.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Give disk space back, as `devenv prune` does.")] = False,
    no_sync: Annotated[bool, typer.Option("--no-sync", help="Leave out the git sync.")] = False,
    progress: Annotated[
        str, typer.Option("--progress", envvar="DEVENV_PROGRESS", help="auto, plain, json or quiet.")
    ] = "auto",
    as_json: Json = False,
) -> None:
    """End everything that the stack runs (containers and networks go, named volumes stay), then sync as `git:` says."""
    from devenv.cli.lifting import take_down  # noqa: PLC0415

    session = session_of(context)
    body = {"volumes": volumes, "grace_s": timeout, "prune": prune}
    raise typer.Exit(take_down(session, body, progress=progress, as_json=as_json, with_sync=not no_sync))


@app.command()
def stop(
    context: typer.Context,
    services: Services = None,
    timeout: Annotated[float | None, typer.Option("-t", "--timeout", help="Seconds until the hard signal.")] = None,
    as_json: Json = False,
) -> None:
    """Stop services; containers and their contents stay."""
    from devenv.cli.lifting import stop_services  # noqa: PLC0415

    raise typer.Exit(stop_services(session_of(context), tuple(services or ()), grace_s=timeout, as_json=as_json))


@app.command()
def start(context: typer.Context, services: Services = None, as_json: Json = False) -> None:
    """Start services that were stopped, with what they depend on."""
    from devenv.cli.lifting import UpOptions, bring_up  # noqa: PLC0415

    raise typer.Exit(bring_up(session_of(context), UpOptions(services=tuple(services or ()), as_json=as_json)))


@app.command()
def restart(
    context: typer.Context,
    services: Services = None,
    timeout: Annotated[float | None, typer.Option("-t", "--timeout", help="Seconds until the hard signal.")] = None,
    as_json: Json = False,
) -> None:
    """Stop services and start them again; what depends on them keeps running."""
    from devenv.cli.lifting import restart_services  # noqa: PLC0415

    raise typer.Exit(restart_services(session_of(context), tuple(services or ()), grace_s=timeout, as_json=as_json))


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:
    """Show every service: state, URL, since when."""
    from devenv.cli.showing import show_status  # noqa: PLC0415

    raise typer.Exit(show_status(session_of(context), as_json=as_json))


@app.command(hidden=True)
def ps(context: typer.Context, as_json: Json = False) -> None:
    """Show every service; another name for status."""
    status(context, as_json)


@app.command()
def version(as_json: Json = False) -> None:
    """Print the version."""
    print_data(json.dumps({"version": 1, "devenv": __version__}) if as_json else f"devenv {__version__}")


commands_reading.register(app)
commands_beside.register(app)
commands_checking.register(app)
commands_snapshots.register(app)
commands_pruning.register(app)
commands_syncing.register(app)


def run(arguments: list[str]) -> int:
    """Run the command in `arguments`; return its exit status."""
    call = partial(_command(), arguments, prog_name="devenv", standalone_mode=False)
    return conduct(call, as_json="--json" in arguments)


@cache
def _command() -> Callable[..., object]:
    """Build the tree of commands: a matter of milliseconds, so that a process that runs several builds it once."""
    return typer.main.get_command(app)
