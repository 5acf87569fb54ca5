"""`devenv logs`: lines of all services in the order of time, what was and what comes.

Works without a daemon, also after `down`. Must not know how lines look or where files lie. Invariant: processes alone
need neither the engine nor an event loop, and a Ctrl-C is never held up.
"""

import heapq
import time

from devenv.cli.logs.choice import Choice, LogOptions, read_choice, read_past
from devenv.cli.logs.lines import LinePrinter, Style, drop_output
from devenv.cli.logs.sources import Sources, find_sources
from devenv.cli.output import has_colour, here, print_aside
from devenv.cli.session import Session


def show_logs(session: Session, options: LogOptions) -> int:
    """Print the logs; return the exit status. Raises KeyboardInterrupt when Ctrl-C ends a `--follow`."""
    colour = options.colour and not options.as_json and has_colour(here())
    choice = read_choice(options, now=time.time(), keep_colour=colour)
    sources = find_sources(session, options.services)
    if not sources.names and not options.follow:
        print_aside("no logs yet (`devenv up` starts the stack)")
        return 0
    printer = LinePrinter(
        Style(as_json=options.as_json, prefix=options.prefix, timestamps=options.timestamps, colour=colour)
    )
    printer.make_room(sources.names)
    try:
        _show(session, options, sources, choice, printer)
        printer.flush()
    except BrokenPipeError:
        drop_output()
        return 141
    return 0


def _show(session: Session, options: LogOptions, sources: Sources, choice: Choice, printer: LinePrinter) -> None:
    if not options.follow and not sources.containers:
        past = [read_past(session.paths.logs, name, choice) for name in sources.files]
        for line in heapq.merge(*past, key=lambda line: line.at):
            printer.show(line)
        return
    from devenv.cli.logs.following import follow_all, show_past  # noqa: PLC0415 - an event loop

    if options.follow:
        follow_all(session, options.services, sources, choice, printer)
    else:
        show_past(session, sources, choice, printer)
