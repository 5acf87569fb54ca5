"""The state of every service, and the only way to change it.

Owns the views; publishes each change and wakes who waits for one. Must not know how a service runs. Invariant: a
state changes only through the transition table.
"""

import time
from dataclasses import replace
from typing import Any

import anyio

from devenv.app.bus import Bus
from devenv.domain.events import Note, Progress, ServiceChanged, ServiceView
from devenv.domain.lifecycle import Trigger, step


class Board:
    """Views by service name, in the order of the files."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.views: dict[str, ServiceView] = {}
        self._bell = anyio.Event()

    def put(self, view: ServiceView) -> None:
        """Set or replace a view outside the table: a service that is new, or was adopted."""
        previous = self.views.get(view.name)
        self.views[view.name] = view
        self._tell(ServiceChanged(service=view, previous=previous.state if previous else None))

    def move(self, name: str, trigger: Trigger, **facts: Any) -> ServiceView:
        """Apply `trigger` to a service, with further facts of its view. Raises IllegalTransition."""
        before = self.views[name]
        after = replace(before, state=step(before.state, trigger), since=time.time(), **facts)
        self.views[name] = after
        self._tell(ServiceChanged(service=after, previous=before.state))
        return after

    def amend(self, name: str, **facts: Any) -> None:
        """Change facts of a view without changing its state; says nothing where nothing changes."""
        before = self.views[name]
        after = replace(before, **facts)
        if after != before:
            self.views[name] = after
            self._tell(ServiceChanged(service=after, previous=before.state))

    def note(self, text: str, *, level: str = "info", service: str = "") -> None:
        """Tell the user something."""
        self.bus.publish(Note(text=text, level=level, service=service))

    def report(self, subject: str, text: str, *, done: bool = False) -> None:
        """Say how far something long is."""
        self.bus.publish(Progress(subject=subject, text=text, done=done))

    def changes(self) -> anyio.Event:
        """Return the bell that rings at the next change; take it before looking, wait after."""
        return self._bell

    def _tell(self, event: ServiceChanged) -> None:
        self.bus.publish(event)
        bell, self._bell = self._bell, anyio.Event()
        bell.set()
