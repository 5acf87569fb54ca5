"""The commands that only look: logs, events, wait, ports, config, graph, doctor, completion.

Thin; the bodies are imported when a command runs. Must not cost the other commands anything. Invariant: none of them
changes the stack.
"""

from typing import Annotated

import typer

from devenv.cli.arguments import Json, Services, session_of
from devenv.cli.output import here, print_data
from devenv.cli.session import Session
from devenv.domain.errors import UsageError

ONLY = ("services", "profiles", "images")


def logs(
    context: typer.Context,
    services: Services = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Show what comes, too.")] = False,
    last: Annotated[
        int | None, typer.Option("-n", "--tail", "--last", help="Only the last lines of each service.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Lines since a duration ago or a time: 10m, 14:05, 2025-01-31T14:05.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="Lines before a duration ago or a time.")] = None,
    grep: Annotated[str | None, typer.Option("--grep", help="Only lines in which this regular expression is.")] = None,
    no_prefix: Annotated[
        bool, typer.Option("--no-prefix", "--no-log-prefix", help="Leave out the services' names.")
    ] = False,
    timestamps: Annotated[bool, typer.Option("-t", "--timestamps", help="Put the time before each line.")] = False,
    no_color: Annotated[bool, typer.Option("--no-color", "--no-colour", help="Leave out colours.")] = False,
    as_json: Json = False,
) -> None:
    """Show what services wrote, merged by time; also after `down`."""
    from devenv.cli.logs.choice import LogOptions  # noqa: PLC0415
    from devenv.cli.logs.showing import show_logs  # noqa: PLC0415

    options = LogOptions(
        services=tuple(services or ()),
        follow=follow,
        last=last,
        since=since,
        until=until,
        grep=grep,
        as_json=as_json,
        prefix=not no_prefix,
        timestamps=timestamps,
        colour=not no_color,
    )
    raise typer.Exit(show_logs(session_of(context), options))


def attach(context: typer.Context, services: Services = None, as_json: Json = False) -> None:
    """Follow the logs from here on; Ctrl-C ends the looking, not the stack."""
    from devenv.cli.logs.choice import LogOptions  # noqa: PLC0415
    from devenv.cli.logs.showing import show_logs  # noqa: PLC0415

    options = LogOptions(services=tuple(services or ()), follow=True, last=10, as_json=as_json)
    raise typer.Exit(show_logs(session_of(context), options))


def events(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("-f/ ", "--follow/--no-follow", help="Show what comes.")] = True,
    as_json: Json = False,
) -> None:
    """Show the state of every service, then every change as it happens."""
    from devenv.cli.watching import show_events  # noqa: PLC0415

    raise typer.Exit(show_events(session_of(context), as_json=as_json, follow=follow))


def wait(
    context: typer.Context,
    services: Services = None,
    goal: Annotated[str, typer.Option("--for", help="ready, completed or stopped.")] = "ready",
    timeout: Annotated[str | None, typer.Option("--timeout", help="Give up after this long, e.g. 90s.")] = None,
    as_json: Json = False,
) -> None:
    """Wait until services are ready; 5 if one fails or the time is over."""
    from devenv.cli.watching import wait_for  # noqa: PLC0415

    names = tuple(services or ())
    raise typer.Exit(wait_for(session_of(context), names, goal=goal, timeout=timeout, as_json=as_json))


def ports(
    context: typer.Context,
    port: Annotated[int | None, typer.Argument(help="Only this port.", min=1, max=65535)] = None,
    as_json: Json = False,
) -> None:
    """Show who holds which port on this machine."""
    from devenv.cli.showing_ports import show_ports  # noqa: PLC0415

    raise typer.Exit(show_ports(_session_if_any(context), port, dict(here()), as_json=as_json))


def config(
    context: typer.Context,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of services.yaml.")] = False,
    services: Annotated[bool, typer.Option("--services", help="Print the services' names only.")] = False,
    profiles: Annotated[bool, typer.Option("--profiles", help="Print the profiles' names only.")] = False,
    images: Annotated[bool, typer.Option("--images", help="Print the images' names only.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing: only look for mistakes.")] = False,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="Do not mask passwords and keys.")] = False,
    as_json: Json = False,
) -> None:
    """Print the stack as it was read, or every mistake in it."""
    from devenv.cli.showing_stack import show_config, show_schema  # noqa: PLC0415

    if schema:
        raise typer.Exit(show_schema())
    chosen = [name for name, given in zip((*ONLY, "quiet"), (services, profiles, images, quiet), strict=True) if given]
    if len(chosen) > 1:
        raise UsageError(f"cannot print {' and '.join(chosen)} at once", why="only one of them is possible")
    only = chosen[0] if chosen else ""
    session = session_of(context)
    raise typer.Exit(show_config(session, only=only, as_json=as_json, show_secrets=show_secrets))


def graph(
    context: typer.Context,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flowchart.")] = False,
    as_json: Json = False,
) -> None:
    """Show which services start together, and what each one waits for."""
    from devenv.cli.showing_stack import show_graph  # noqa: PLC0415

    raise typer.Exit(show_graph(session_of(context), mermaid=mermaid, as_json=as_json))


def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Check the machine and the stack; every finding says what mends it."""
    from devenv.cli.examining import show_findings  # noqa: PLC0415

    raise typer.Exit(show_findings(_session_if_any(context), here(), as_json=as_json))


def completion(shell: Annotated[str, typer.Argument(help="bash, zsh, fish or powershell.")]) -> None:
    """Print the script that completes devenv's commands and services on the Tab key."""
    from devenv.cli.completing import completion_script  # noqa: PLC0415

    print_data(completion_script(shell).strip())


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    for command in (logs, events, wait, ports, config, graph, doctor, completion):
        app.command()(command)
    app.command(hidden=True)(attach)


def _session_if_any(context: typer.Context) -> Session | None:
    """Return the session, None outside every stack; a file that was named by hand must be there."""
    try:
        return session_of(context)
    except UsageError:
        if context.obj["file"] is not None:
            raise
        return None
