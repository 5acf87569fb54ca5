"""How snapshots look at databases and at the records of migration tools: the real things behind `Looks`.

Must not know what is done with the answers. Invariant: a tool whose record cannot be read is left out, as a dump is no
worse for it.
"""

from contextlib import suppress

from devenv.adapters.databases.opening import open_database
from devenv.adapters.snapshots.taking import Looks
from devenv.domain.subject import Subject
from devenv.schema.discover import find_database_url, find_sources
from devenv.schema.ports import CannotLook, LiveDatabase
from devenv.schema.records.reading import pick_recorded, read_records
from devenv.schema.records.state import RecordState


def make_looks() -> Looks:
    """Return what really looks."""
    return Looks(find_url=find_database_url, open_database=open_database, read_records=read_all_records)


def read_all_records(subject: Subject, live: LiveDatabase) -> tuple[RecordState, ...]:
    """Return the state of each migration tool of the service."""
    states: list[RecordState] = []
    with suppress(CannotLook):
        for place in pick_recorded(find_sources(subject).tools, live):
            with suppress(CannotLook):
                states.append(read_records(place, live))
    return tuple(states)
