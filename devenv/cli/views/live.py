"""An operation as a table that redraws itself, on a terminal.

The home of rich's live display. Must not know the API. Invariant: what it leaves on the screen is what a plain view
would have said at the end.
"""

import time

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from devenv.cli.views.plain import show_ending
from devenv.cli.views.words import MARKS
from devenv.domain.events import Note, Numbered, OperationEnded, Progress, ServiceView, Snapshot
from devenv.domain.lifecycle import LIVE, State

STYLES = {
    State.READY: "green",
    State.COMPLETED: "green",
    State.FAILED: "red",
    State.UNHEALTHY: "yellow",
    State.BACKOFF: "yellow",
    State.WAITING: "dim",
    State.STOPPED: "dim",
}


class LiveView:
    """One row a service, with its state and how long it has been in it."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._snapshot = Snapshot()
        self._touched: set[str] = set()
        self._progress: dict[str, str] = {}
        # Last: it renders once while it is made.
        self._live = Live(console=self._console, refresh_per_second=10, transient=True, get_renderable=self._render)

    def start(self, snapshot: Snapshot) -> None:
        """Begin to draw."""
        self._snapshot = snapshot
        self._live.start()

    def show(self, numbered: Numbered, snapshot: Snapshot) -> None:
        """Take in what changed; the display redraws by itself."""
        self._touched.update(
            name for name in snapshot.services if snapshot.services[name] != self._snapshot.services.get(name)
        )
        self._snapshot = snapshot
        match numbered.event:
            case Note(text=text, level=level):
                self._console.print(Text(text, style="yellow" if level == "warning" else "cyan"))
            case Progress(subject=subject, done=True):
                self._progress.pop(subject, None)
            case Progress(subject=subject, text=text):
                self._progress[subject] = text
            case _:
                pass

    def end(self, ended: OperationEnded, snapshot: Snapshot) -> None:
        """Leave the final words on the screen."""
        self._live.stop()
        show_ending(ended, snapshot)

    def _render(self) -> Table:
        table = Table.grid(padding=(0, 2))
        now = time.time()
        for subject, text in self._progress.items():
            table.add_row("", subject, Text(text, style="cyan"), "")
        for view in self._snapshot.services.values():
            if view.name in self._touched:
                table.add_row(*_row(view, now))
        return table


def _row(view: ServiceView, now: float) -> tuple[Text, Text, Text, Text]:
    style = STYLES.get(view.state, "")
    spent = f"{max(0.0, now - view.since):.1f} s" if view.state in LIVE and view.state is not State.READY else ""
    if view.ready_after_s is not None:
        spent = f"{view.ready_after_s:.2f} s"
    note = view.detail or view.url
    return (
        Text(MARKS.get(view.state, "·"), style=style),
        Text(view.name, style="bold"),
        Text(f"{view.state} {spent}".rstrip(), style=style),
        Text(note[:100], style="dim"),
    )
