"""What a checkout will miss once a snapshot is in the database: in sentences, before anything is done.

Pure. Must not know how a snapshot is stored. Invariant: it only tells what the snapshot's own record and the files of
the checkout say; where neither says anything there is no sentence.
"""

from collections.abc import Iterable, Mapping

from devenv.domain.sizes import count
from devenv.domain.snapshots import Snapshot
from devenv.schema.records.state import Migration, RecordState

_SHOWN = 5


def describe_gap(snapshot: Snapshot, states: Iterable[RecordState], tables_now: Iterable[str]) -> tuple[str, ...]:
    """Return what differs between `snapshot` and the checkout, whose files and tools are in `states`.

    `tables_now` are the titles of the tables that the database holds at present.
    """
    sentences: list[str] = []
    for state in states:
        applied = snapshot.migrations.get(state.tool)
        if applied is None and snapshot.migrations:
            continue
        sentences += _describe_tool(snapshot, state, applied or ())
    lost = [table for table in tables_now if table not in set(snapshot.tables)]
    if lost:
        them = f"{count(len(lost), 'table')} of the database as it is now"
        sentences.append(f"{them} {'is' if len(lost) == 1 else 'are'} not in it: {_shorten(lost)}")
    return tuple(sentences)


def order_applied(states: Iterable[RecordState]) -> Mapping[str, tuple[str, ...]]:
    """Return the applied ids by tool, in the order of the tool's files, those without a file last.

    Read from what is pending, not from the records: a tool such as Alembic records its newest migration only.
    """
    return {state.tool: (*_known_applied(state), *state.unknown) for state in states if state.has_table}


def _known_applied(state: RecordState) -> list[str]:
    open_ids = {migration.id for migration in state.pending} | {failure.id for failure in state.failed}
    return [migration.id for migration in state.known if migration.id not in open_ids]


def _describe_tool(snapshot: Snapshot, state: RecordState, applied: tuple[str, ...]) -> list[str]:
    done = set(applied)
    missing = [migration for migration in state.known if migration.id not in done]
    known = {migration.id for migration in state.known}
    strange = [id_ for id_ in applied if id_ not in known]
    sentences = []
    if missing:
        last = f"last applied {applied[-1]}" if applied else "none applied"
        made = _count_tables(snapshot, missing)
        behind = f"it is {count(len(missing), f'{state.title} migration')} older than this checkout ({last})"
        sentences.append(f"{behind}, which will miss {made}" if made else behind)
    if strange:
        them = f"it has {count(len(strange), f'{state.title} migration')} that this checkout does not have"
        sentences.append(f"{them}: {_shorten(strange)}")
    return sentences


def _count_tables(snapshot: Snapshot, missing: Iterable[Migration]) -> str:
    there = {table.rpartition(".")[2].lower() for table in snapshot.tables}
    absent = sorted({table for migration in missing for table in migration.creates} - there)
    return f"{count(len(absent), 'table')} ({_shorten(absent)})" if absent else ""


def _shorten(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - _SHOWN:,} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more
