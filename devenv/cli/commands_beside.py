"""The commands that run a command of the user's: exec and run.

Thin. Must not read the command itself. Invariant: every word after the service, or after `--`, reaches the command as
it was typed.
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from devenv.cli.arguments import session_of
from devenv.cli.completing import complete_services

if TYPE_CHECKING:
    from devenv.cli.beside import Asked, Words

_SETTINGS = {"allow_interspersed_args": False}

Command = Annotated[
    list[str] | None, typer.Argument(metavar="[SERVICE] -- CMD…", autocompletion=complete_services, show_default=False)
]
Extra = Annotated[list[str] | None, typer.Option("-e", "--env", help="Set NAME=value for the command (repeatable).")]
Folder = Annotated[str | None, typer.Option("-w", "--workdir", help="Run it in this folder.")]
NoTerminal = Annotated[bool, typer.Option("-T", "--no-tty", help="Give a container's command no terminal.")]


class DashedCommand(TyperCommand):
    """Lets a `--` before the first word be told from one that is not there."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Double the first `--`, because the parser swallows one that comes first; `_undouble` takes it back."""
        if "--" in args:
            place = args.index("--")
            args = [*args[:place], "--", *args[place:]]
        return super().parse_args(ctx, args)


def exec_(
    context: typer.Context,
    words: Command = None,
    env: Extra = None,
    workdir: Folder = None,
    no_tty: NoTerminal = False,
) -> None:
    """Run a command in a running service; its exit status is the command's."""
    from devenv.cli.beside import execute_in  # noqa: PLC0415

    execute_in(session_of(context), _split(words, "exec"), _ask(env, workdir, no_tty))


def run(
    context: typer.Context,
    words: Command = None,
    env: Extra = None,
    workdir: Folder = None,
    no_tty: NoTerminal = False,
) -> None:
    """Run a one-off command with a service's environment, or with the stack's: `devenv run -- CMD`."""
    from devenv.cli.beside import run_once  # noqa: PLC0415

    run_once(session_of(context), _split(words, "run"), _ask(env, workdir, no_tty))


def register(app: typer.Typer) -> None:
    """Add these commands to `app`."""
    app.command("exec", cls=DashedCommand, context_settings=_SETTINGS)(exec_)
    app.command("run", cls=DashedCommand, context_settings=_SETTINGS)(run)


def _split(words: list[str] | None, verb: str) -> "Words":
    from devenv.cli.beside import split_words  # noqa: PLC0415

    return split_words(_undouble(tuple(words or ())), verb=verb)


def _undouble(words: tuple[str, ...]) -> tuple[str, ...]:
    """Take the second `--` of the first pair out again; one that came first has lost its twin already."""
    place = words.index("--") if "--" in words else -1
    if place >= 0 and words[place : place + 2] == ("--", "--"):
        return (*words[:place], *words[place + 1 :])
    return words


def _ask(env: list[str] | None, workdir: str | None, no_tty: bool) -> "Asked":
    from devenv.cli.beside import Asked, read_environment  # noqa: PLC0415

    return Asked(extra=read_environment(tuple(env or ())), folder=workdir, terminal=not no_tty)
