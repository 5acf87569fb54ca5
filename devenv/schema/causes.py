"""From differences and records to findings: one sentence for each cause, not for each symptom.

Pure. Must not know where anything was read. Invariants: every difference is in exactly one finding, and what a pending
migration explains is told with that migration, so that twelve missing tables of one old backup are one finding.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from devenv.domain.findings import Finding, Severity, Topic
from devenv.schema.differences import SEVERITIES, Difference, Kind
from devenv.schema.ir import Schema
from devenv.schema.records.state import Migration, RecordState

SHOWN = 3
"""So many names stand in a sentence; the rest is a count, and in the details."""

_MISSING = frozenset({Kind.TABLE_MISSING, Kind.COLUMN_MISSING, Kind.ENUM_MISSING, Kind.ENUM_VALUE_MISSING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that was learnt of one service. `place` is the database in words; `command` mends it by hand."""

    service: str
    place: str
    expected: tuple[Schema, ...] = ()
    live: Schema
    differences: tuple[Difference, ...] = ()
    states: tuple[RecordState, ...] = ()
    command: str = ""
    show: Callable[[str], str] = field(default=lambda path: path)
    """Shortens a path for a person."""


def explain(evidence: Evidence) -> tuple[Finding, ...]:
    """Return the findings, in the order in which they should be mended."""
    wrong = _find_wrong_database(evidence)
    if wrong is not None:
        rest = [one for one in evidence.differences if one.kind not in _MISSING]
        return (*_explain_files(evidence), wrong, *_explain_rest(evidence, rest))
    open_: list[Difference] = list(evidence.differences)
    findings: list[Finding] = []
    for state in evidence.states:
        findings += _explain_records(evidence, state, open_)
    findings += _explain_incomplete(evidence, open_)
    findings += _explain_unmigrated(evidence, open_)
    findings += _explain_rest(evidence, open_)
    return (*_explain_files(evidence), *findings)


def describe(difference: Difference) -> str:
    """Return a difference as one line: `users.tenant_id is missing (app/models.py:14)`."""
    name = f"{difference.table}.{difference.part}" if difference.part else difference.table
    place = f" ({difference.place})" if difference.place else ""
    return f"{_WORDS[difference.kind](name, difference)}{place}"


def _find_wrong_database(evidence: Evidence) -> Finding | None:
    """Return the finding that none of the wanted tables is here: another schema, another database, an empty one."""
    wanted = [table for schema in evidence.expected for table in schema.tables if not table.is_view]
    missing = {one.table for one in evidence.differences if one.kind is Kind.TABLE_MISSING}
    if not wanted or any(table.title not in missing for table in wanted):
        return None
    names = {table.name for table in wanted}
    elsewhere = [table for table in evidence.live.tables if table.schema and table.name in names]
    here = [table for table in evidence.live.tables if not table.schema and not table.owner]
    record_tables = {state.table for state in evidence.states if state.has_table}
    total = len(names)
    count = f"0 of {total} tables" if total > 1 else f"the table {wanted[0].title} is not"
    if elsewhere:
        schemas = sorted({table.schema for table in elsewhere})
        text = (
            f"{count} in {evidence.place}: {_list([table.name for table in elsewhere])} "
            f"{'is' if len(elsewhere) == 1 else 'are'} in schema {', '.join(schemas)}, which the URL does not ask for"
        )
        fix = f"set the database URL of {evidence.service} to schema {schemas[0]}"
        return _missing_everything("schema-wrong", text, fix, evidence)
    strangers = [table.name for table in here if table.name not in record_tables]
    if strangers:
        others = f"{len(strangers)} other {_plural('table', len(strangers))}, such as {_list(strangers)}"
        text = f"{count} in {evidence.place}, which holds {others}: it seems to be another program's database"
        return _missing_everything("database-wrong", text, f"check the database URL of {evidence.service}", evidence)
    return None if evidence.states else _say_empty(evidence, count)


def _say_empty(evidence: Evidence, count: str) -> Finding:
    text = f"{count} in {evidence.place}: it is empty"
    return _missing_everything("database-empty", text, _make(evidence, None), evidence)


def _missing_everything(id_: str, text: str, fix: str, evidence: Evidence) -> Finding:
    lost = [one for one in evidence.differences if one.kind in _MISSING]
    details = tuple(describe(one) for one in lost)
    return Finding(id=id_, severity=Severity.ERROR, topic=Topic.DATABASE, text=text, fix=fix, details=details)


def _explain_records(evidence: Evidence, state: RecordState, open_: list[Difference]) -> list[Finding]:
    findings = [*_explain_failures(evidence, state), *_explain_unknown(evidence, state)]
    if state.pending:
        findings.append(_explain_pending(evidence, state, open_))
    for edit in state.edited:
        how = "only its line endings differ" if edit.only_line_endings else "what ran is not what is in the file"
        findings.append(
            Finding(
                id=f"migration-edited:{edit.id}",
                severity=Severity.INFO if edit.only_line_endings else Severity.WARNING,
                topic=Topic.MIGRATIONS,
                text=f"the {state.title} migration {edit.id} was edited after it ran ({how})",
                fix=f"git checkout -- {evidence.show(edit.path)}" if not edit.only_line_endings else "",
                place=evidence.show(edit.path),
            )
        )
    return findings


def _explain_failures(evidence: Evidence, state: RecordState) -> Iterable[Finding]:
    for failure in state.failed:
        when = f" at {failure.at}" if failure.at else ""
        why = f": {failure.message}" if failure.message else ""
        yield Finding(
            id=f"migration-failed:{failure.id}",
            severity=Severity.ERROR,
            topic=Topic.MIGRATIONS,
            text=f"the {state.title} migration {failure.id} failed{when}{why}",
            fix=_RESOLVE.get(state.tool, "").format(id=failure.id) or _mend(evidence, state),
        )


_RESOLVE = {
    "prisma": "npx prisma migrate resolve --rolled-back {id}",
    "golang-migrate": "migrate force {id}",
    "flyway": "flyway repair",
}


def _explain_unknown(evidence: Evidence, state: RecordState) -> Iterable[Finding]:
    if not state.unknown:
        return
    count = len(state.unknown)
    branch = next((state.branches[one] for one in state.unknown if one in state.branches), "")
    why = f"found on {branch}" if branch else "it is newer than the code, or another project's"
    yield Finding(
        id=f"migrations-unknown:{state.tool}",
        severity=Severity.ERROR,
        topic=Topic.MIGRATIONS,
        text=(
            f"{evidence.place} has {count} {state.title} {_plural('migration', count)} that this checkout does not "
            f"have ({_list(state.unknown)}): {why}"
        ),
        fix=f"git merge {branch.removeprefix('branch ')}" if branch else "git pull",
        details=(*state.unknown, "or restore an older state: devenv snapshot list"),
    )


def _explain_pending(evidence: Evidence, state: RecordState, open_: list[Difference]) -> Finding:
    """Tell the pending migrations and what of the differences they explain, which is then no longer open."""
    explained = [one for one in open_ if _find_maker(one, state.pending) or one.kind is Kind.ENUM_MISSING]
    _settle(open_, explained)
    count = len(state.pending)
    behind = f"{evidence.place} is {count} {state.title} {_plural('migration', count)} behind this checkout"
    last = f"last applied {state.applied[-1]}" if state.applied else "none has run yet"
    text = f"{behind} ({last})"
    tables = [one for one in explained if one.kind is Kind.TABLE_MISSING]
    columns = [one for one in explained if one.kind is Kind.COLUMN_MISSING]
    if tables:
        maker = _find_maker(tables[0], state.pending)
        made = f" (created by {_title(maker)})" if maker else ""
        verb = "is" if len(tables) == 1 else "are"
        text += f"; {_count('table', tables)} {verb} missing: {_list([one.table for one in tables])}{made}"
    if columns:
        text += f"; {_say_columns(columns, state.pending)}"
    return Finding(
        id=f"migrations-pending:{state.tool}",
        severity=Severity.ERROR,
        topic=Topic.MIGRATIONS,
        text=text,
        fix=_mend(evidence, state),
        details=(
            *(f"pending: {_title(one)}" for one in state.pending),
            *(describe(one) for one in explained),
            *_say_command(evidence, state),
        ),
        place=next((one.place for one in (*columns, *tables) if one.place), evidence.show(state.pending[0].path)),
    )


def _say_columns(columns: list[Difference], pending: Sequence[Migration]) -> str:
    """Return `table users lacks 2 columns that the code uses: a, b (app/models.py:14); migration X adds them`."""
    tables = list(dict.fromkeys(one.table for one in columns))
    names = [one.part if len(tables) == 1 else f"{one.table}.{one.part}" for one in columns]
    where = f"table {tables[0]}" if len(tables) == 1 else _count("table", tables)
    place = next((f" ({one.place})" for one in columns if one.place), "")
    maker = _find_maker(columns[0], pending)
    adds = f"; migration {_title(maker)} adds {'it' if len(columns) == 1 else 'them'} and is pending" if maker else ""
    lacks = "lacks" if len(tables) == 1 else "lack"
    return f"{where} {lacks} {_count('column', columns)} that the code uses: {_list(names)}{place}{adds}"


def _explain_incomplete(evidence: Evidence, open_: list[Difference]) -> Iterable[Finding]:
    """Tell what an applied migration made and that is gone: a restore that was incomplete, a drop by hand."""
    for state in evidence.states:
        pending = {one.id for one in state.pending}
        ran = [one for one in state.known if one.id not in pending]
        lost = [one for one in open_ if one.kind in _MISSING and _find_maker(one, ran) is not None]
        if not lost:
            continue
        _settle(open_, lost)
        first = _find_maker(lost[0], ran)
        assert first is not None
        what = _say_lost(lost)
        more = "" if len(lost) == 1 else f", and {len(lost) - 1} more"
        tables_only = all(one.kind is Kind.TABLE_MISSING for one in lost)
        why = (
            "the restore was incomplete" if tables_only else "it was dropped afterwards, or the restore was incomplete"
        )
        yield Finding(
            id=f"restore-incomplete:{state.tool}",
            severity=Severity.ERROR,
            topic=Topic.MODELS,
            text=(
                f"migration {_title(first)} is recorded as applied in {evidence.place}, but {what} does not exist"
                f"{more}: {why}"
            ),
            fix="devenv snapshot list",
            details=(*(describe(one) for one in lost), "restore the backup again, and look at what it complains about"),
            place=next((one.place for one in lost if one.place), ""),
        )


def _say_lost(lost: list[Difference]) -> str:
    first = lost[0]
    if first.kind is Kind.TABLE_MISSING:
        return f"its table {first.table}"
    return f"its column {first.table}.{first.part}" if first.kind is Kind.COLUMN_MISSING else f"its enum {first.table}"


def _explain_unmigrated(evidence: Evidence, open_: list[Difference]) -> Iterable[Finding]:
    """Tell what the models have and no migration makes, a table at a time for columns, all tables at once."""
    state = evidence.states[0] if evidence.states else None
    tables = [one for one in open_ if one.kind is Kind.TABLE_MISSING]
    columns = [one for one in open_ if one.kind is Kind.COLUMN_MISSING]
    own = " of this checkout" if state and state.tool == "django" else ""  # the tables may be an installed app's
    none = f", and no migration{own} makes {'it' if len([*tables, *columns]) == 1 else 'them'}" if state else ""
    if state and state.pending:  # what a migration makes is read from its text, which does not always tell
        none = f"; {_say_pending(state.pending)}"
    fix = _mend(evidence, state) if state and state.pending else _make(evidence, state)
    if tables:
        verb = "is" if len(tables) == 1 else "are"
        names = _list([one.table for one in tables])
        place = next((f" ({one.place})" for one in tables if one.place), "")
        yield Finding(
            id=f"table-missing:{tables[0].table}" if len(tables) == 1 else "tables-missing",
            severity=Severity.ERROR,
            topic=Topic.MODELS,
            text=f"{_count('table', tables)} of the code {verb} missing in {evidence.place}: {names}{place}{none}",
            fix=fix,
            details=tuple(describe(one) for one in tables),
            place=next((one.place for one in tables if one.place), ""),
        )
    for table in dict.fromkeys(one.table for one in columns):
        of_table = [one for one in columns if one.table == table]
        yield Finding(
            id=of_table[0].id if len(of_table) == 1 else f"columns-missing:{table}",
            severity=Severity.ERROR,
            topic=Topic.MODELS,
            text=f"{_say_columns(of_table, ())}{none} ({evidence.place})",
            fix=fix,
            details=tuple(describe(one) for one in of_table),
            place=next((one.place for one in of_table if one.place), ""),
        )
    _settle(open_, [*tables, *columns])


def _explain_rest(evidence: Evidence, rest: list[Difference]) -> Iterable[Finding]:
    """Tell what is neither missing nor explained: errors a table at a time, everything milder a kind at a time."""
    state = evidence.states[0] if evidence.states else None
    grave = [one for one in rest if one.severity is Severity.ERROR]
    for table in dict.fromkeys(one.table for one in grave):
        of_table = [one for one in grave if one.table == table]
        more = f" (and {len(of_table) - 1} more of {table})" if len(of_table) > 1 else ""
        hint = f"; {_say_pending(state.pending)}" if state and state.pending else ""
        yield Finding(
            id=of_table[0].id if len(of_table) == 1 else f"table-differs:{table}",
            severity=Severity.ERROR,
            topic=Topic.MODELS,
            text=f"{describe(of_table[0])}{more}{hint} ({evidence.place})",
            fix=_mend(evidence, state) if state and state.pending else _make(evidence, state),
            details=tuple(describe(one) for one in of_table),
            place=next((one.place for one in of_table if one.place), ""),
        )
    for kind in Kind:
        mild = [one for one in rest if one.kind is kind and SEVERITIES[kind] is not Severity.ERROR]
        if mild:
            yield _explain_mild(evidence, kind, mild)


def _say_pending(pending: Sequence[Migration]) -> str:
    return f"{_count('migration', pending)} {'is' if len(pending) == 1 else 'are'} pending"


def _explain_mild(evidence: Evidence, kind: Kind, mild: list[Difference]) -> Finding:
    rest = f", and {len(mild) - 1} more of this kind" if len(mild) > 1 else ""
    return Finding(
        id=mild[0].id if len(mild) == 1 else f"{kind}:*",
        severity=SEVERITIES[kind],
        topic=Topic.MODELS,
        text=f"{describe(mild[0])}{rest}",
        fix=f"devenv schema diff {evidence.service}" if len(mild) > 1 else "",
        details=tuple(describe(one) for one in mild) if len(mild) > 1 else (),
        place=next((one.place for one in mild if one.place), ""),
    )


def _explain_files(evidence: Evidence) -> Iterable[Finding]:
    for state in evidence.states:
        yield from state.findings


def _find_maker(difference: Difference, migrations: Iterable[Migration]) -> Migration | None:
    """Return the migration whose text makes what is missing."""
    table = difference.table.rpartition(".")[2].lower()
    if difference.kind is Kind.TABLE_MISSING:
        return next((one for one in migrations if table in one.creates), None)
    if difference.kind is Kind.COLUMN_MISSING:
        column = difference.part.lower()
        found = [one for one in migrations if (table, column) in one.adds]
        return found[0] if found else None
    return None


def _mend(evidence: Evidence, state: RecordState | None) -> str:
    """Return the command that brings the database up to date."""
    return f"devenv migrate {evidence.service}" if evidence.command or (state and state.apply) else ""


def _say_command(evidence: Evidence, state: RecordState | None) -> Iterable[str]:
    command = evidence.command or (state.apply if state else "")
    if command:
        yield f"that runs: {command}"


def _make(evidence: Evidence, state: RecordState | None) -> str:
    """Return the command that writes the migration which is lacking, or what to write where no tool is known."""
    if state is not None and state.make:
        return f"devenv run {evidence.service} -- {state.make}"
    unknown = f"set `schema: {{migrate: …}}` of {evidence.service} in services.yaml to the command that mends it"
    return _mend(evidence, state) or unknown


def _settle(open_: list[Difference], told: Collection[Difference]) -> None:
    open_[:] = [one for one in open_ if one not in told]


def _title(migration: Migration) -> str:
    return (
        f'{migration.id} "{migration.title}"' if migration.title and migration.title != migration.id else migration.id
    )


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(names[:SHOWN])
    return shown if len(names) <= SHOWN else f"{shown} and {len(names) - SHOWN} more"


def _count(noun: str, things: Sequence[object]) -> str:
    return f"{len(things)} {_plural(noun, len(things))}"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"


_WORDS: dict[Kind, Callable[[str, Difference], str]] = {
    Kind.TABLE_MISSING: lambda name, _: f"table {name} is missing",
    Kind.TABLE_EXTRA: lambda name, _: f"table {name} is unknown to the code",
    Kind.COLUMN_MISSING: lambda name, _: f"column {name} is missing",
    Kind.COLUMN_EXTRA: lambda name, _: f"column {name} is unknown to the code",
    Kind.COLUMN_REQUIRED: lambda name, one: (
        f"column {name} ({one.found}) is unknown to the code, has no default and must not be NULL: every insert fails"
    ),
    Kind.TYPE_DIFFERS: lambda name, one: f"column {name} is {one.found}, the code expects {one.expected}",
    Kind.TYPE_NARROWER: lambda name, one: f"column {name} is {one.found}, narrower than the {one.expected} of the code",
    Kind.TYPE_WIDER: lambda name, one: f"column {name} is {one.found}, wider than the {one.expected} of the code",
    Kind.TYPE_UNCERTAIN: lambda name, one: (
        f"column {name} is {one.found}, the code says {one.expected}: whether they fit is not known"
    ),
    Kind.LENGTH_DIFFERS: lambda name, one: f"column {name} is {one.found}, the code says {one.expected}",
    Kind.NULLABLE: lambda name, _: f"column {name} may be NULL, the code says that it is not",
    Kind.NOT_NULL: lambda name, _: f"column {name} must not be NULL, the code says that it may be",
    Kind.DEFAULT_MISSING: lambda name, _: f"column {name} has no default, the code leaves it to the database",
    Kind.ENUM_MISSING: lambda name, _: f"enum type {name} is missing",
    Kind.ENUM_VALUE_MISSING: lambda _, one: f"enum {one.table} lacks the value {one.part} that the code writes",
    Kind.ENUM_VALUE_EXTRA: lambda _, one: f"enum {one.table} has the value {one.part}, which the code does not know",
    Kind.PRIMARY_KEY: lambda name, one: f"the primary key of {name} is ({one.found}), the code says ({one.expected})",
    Kind.UNIQUE_MISSING: lambda _, one: f"{one.table} has nothing that keeps ({one.part}) unique",
    Kind.UNIQUE_EXTRA: lambda _, one: f"{one.table} keeps ({one.part}) unique, which the code does not know",
    Kind.INDEX_MISSING: lambda _, one: f"{one.table} has no index on ({one.part})",
    Kind.INDEX_INVALID: lambda _, one: f"the index of {one.table} on ({one.part}) is invalid and never used",
    Kind.FOREIGN_KEY_MISSING: lambda _, one: f"{one.table} has no foreign key ({one.part}) to {one.expected}",
}
