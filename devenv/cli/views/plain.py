"""An operation as plain lines or JSON lines: for pipes, CI and coding agents.

Must not redraw anything. Invariant: one line an event, flushed at once, so that a log shows how far it came.
"""

import json

from devenv.api.wire import encode_event
from devenv.cli.output import format_table, print_aside, print_data
from devenv.cli.views.words import HEADER, change_line, ending_document, ending_line, errors_text, is_news, table_row
from devenv.domain.events import Note, Numbered, OperationEnded, Progress, ServiceChanged, Snapshot


class PlainView:
    """Writes a line for each change of state, and the table at the end."""

    def __init__(self, *, as_json: bool = False, quiet: bool = False) -> None:
        self._as_json = as_json
        self._quiet = quiet

    def start(self, snapshot: Snapshot) -> None:
        """Show nothing: the first change comes at once."""

    def show(self, numbered: Numbered, snapshot: Snapshot) -> None:
        """Write what changed."""
        del snapshot
        match numbered.event:
            case Note(text=text, level=level) if level == "warning" or not self._quiet:
                print_aside(f"{level}: {text}" if level == "warning" else text)
            case Progress(subject=subject, text=text) if not self._quiet:
                print_aside(f"  {subject}: {text}")
            case ServiceChanged(service=view, previous=previous) if not self._quiet and is_news(view, previous):
                print_aside(change_line(view))
            case _:
                pass

    def end(self, ended: OperationEnded, snapshot: Snapshot) -> None:
        """Write the errors, the table and the last line."""
        if self._as_json:
            print_data(json.dumps(ending_document(ended, snapshot)))
            return
        show_ending(ended, snapshot, quiet=self._quiet)


class SilentView(PlainView):
    """Writes nothing but warnings: whoever follows prints the end."""

    def __init__(self) -> None:
        super().__init__(quiet=True)

    def end(self, ended: OperationEnded, snapshot: Snapshot) -> None:
        """Show nothing."""


class JsonLinesView:
    """Writes every event as a JSON line: `--progress json`."""

    def start(self, snapshot: Snapshot) -> None:
        """Show nothing."""

    def show(self, numbered: Numbered, snapshot: Snapshot) -> None:
        """Write the event."""
        del snapshot
        print_data(json.dumps(encode_event(numbered)))

    def end(self, ended: OperationEnded, snapshot: Snapshot) -> None:
        """Write the outcome."""
        print_data(json.dumps({"kind": "outcome", **ending_document(ended, snapshot)}))


def show_ending(ended: OperationEnded, snapshot: Snapshot, *, quiet: bool = False) -> None:
    """Write how an operation ended: its errors, or the table of what is ready."""
    if ended.failures and not any(failure.get("conflicts") for failure in ended.failures):
        print_aside(errors_text(ended))
    if quiet:
        return
    wanted = ended.summary.get("services")
    names = [str(name) for name in wanted] if isinstance(wanted, list | tuple) else []
    rows = [table_row(snapshot.services[name]) for name in names if name in snapshot.services]
    if ended.verb == "up" and rows and ended.status in {0, 5}:
        print_data(format_table(HEADER, rows))
    if line := ending_line(ended, snapshot):
        print_data(line)
