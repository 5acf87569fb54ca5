"""One check of one service: finds what to look at, looks at all of it at the same time, and says what it means.

Must not construct what looks: that comes in as `Tools`. Invariant: whatever happens on the way is a finding of the
verdict; nothing is written anywhere.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import anyio.to_thread

from devenv.domain.database import dialect_of, parse_url
from devenv.domain.diagnosis import as_written
from devenv.domain.findings import Finding, Severity, Topic, Verdict, sort_findings
from devenv.domain.holders import ProcessId
from devenv.domain.subject import Subject
from devenv.schema.accepted import without_accepted
from devenv.schema.causes import Evidence, explain
from devenv.schema.compare import compare
from devenv.schema.differences import Difference
from devenv.schema.discover import ModelSource, Sources, find_database_url, find_sources, show_path
from devenv.schema.ir import Dialect, Schema
from devenv.schema.ports import CannotLook, LiveDatabase, ModelAnswer, ModelQuestion, OpenDatabase, ReadModels
from devenv.schema.prisma.client import check_client
from devenv.schema.prisma.locate import find_prisma_schema
from devenv.schema.prisma.parser import read_prisma
from devenv.schema.prisma.translate import list_ignored_tables, to_schema
from devenv.schema.records.reading import read_records
from devenv.schema.records.state import RecordState, ToolPlace


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What looks: at databases, at models in the service's own interpreter, at where a migration comes from."""

    open_database: OpenDatabase
    read_models: ReadModels
    began_at: Callable[[ProcessId], float | None]
    """When a process began, in UTC seconds."""
    find_branch: Callable[[str, Path], str] | None = None


@dataclass(slots=True, kw_only=True)
class _Look:
    """What has been learnt so far."""

    subject: Subject
    tools: Tools
    sources: Sources = field(default_factory=Sources)
    findings: list[Finding] = field(default_factory=list)
    checked: list[str] = field(default_factory=list)
    answers: list[ModelAnswer] = field(default_factory=list)
    states: list[RecordState] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    named: str = ""
    """The database in words, before anybody has logged in."""
    live: LiveDatabase | None = None
    schema: Schema | None = None

    def note(self, topic: Topic, problem: CannotLook) -> None:
        """Keep what could not be looked at; its paths are shown from the repository on."""
        above = f"{self.subject.repository}/"
        self.findings.append(
            Finding(
                id=problem.code,
                severity=problem.severity,
                topic=topic,
                text=problem.reason.replace(above, ""),
                fix=problem.fix,
                details=problem.details,
                place=problem.place.removeprefix(above),
            )
        )


async def inspect(subject: Subject, tools: Tools) -> Verdict:
    """Check `subject`; the caller sets the deadline by cancelling."""
    verdict, _ = await look(subject, tools)
    return verdict


async def look(subject: Subject, tools: Tools) -> tuple[Verdict, tuple[Difference, ...]]:
    """Check `subject`; return the verdict, and every difference that was neither ignored nor accepted."""
    began = time.monotonic()
    state = _Look(subject=subject, tools=tools)
    try:
        await anyio.to_thread.run_sync(_find, state)
        await _read_both_sides(state)
        if state.schema is not None:
            await anyio.to_thread.run_sync(_judge, state)
    finally:
        if state.live is not None:
            state.live.close()
    verdict = Verdict(
        service=subject.service,
        database=state.live.place if state.live else state.named,
        checked=tuple(state.checked),
        findings=sort_findings(state.findings),
        took_s=time.monotonic() - began,
    )
    return verdict, tuple(state.differences)


def find_settings_url(subject: Subject, tools: Tools) -> str:
    """Return the URL that the project's own settings connect to, '' where they name none; reads its models for it."""
    for source in find_sources(subject).models:
        if source.kind != "prisma":
            with suppress(CannotLook):
                return _ask_models(subject, tools, source, "").database_url
    return ""


def _find(state: _Look) -> None:
    """Find what there is to check with, and look at what needs no database."""
    subject = state.subject
    state.sources = find_sources(subject)
    state.findings += state.sources.findings
    folder = Path(subject.code.folder)
    named = next((source.path for source in state.sources.models if source.kind == "prisma"), "")
    schema = Path(named) if named else find_prisma_schema(folder, subject.code.argv)
    if schema is None:
        return
    try:
        began_at = state.tools.began_at(subject.process) if subject.process is not None else None
        found = check_client(schema, folder, process_started=began_at)
    except CannotLook as problem:
        state.note(Topic.CLIENT, problem)
        return
    if (folder / "package.json").exists():
        state.checked.append("the generated Prisma client")
    state.findings += [_name_service(finding, subject.service) for finding in found]


def _name_service(finding: Finding, service: str) -> Finding:
    return replace(finding, fix=f"devenv restart {service}") if finding.fix == "devenv restart" else finding


async def _read_both_sides(state: _Look) -> None:
    """Read the database and the models at the same time."""
    try:
        url = find_database_url(state.subject)
    except CannotLook as problem:
        state.note(Topic.DATABASE, problem)
        return
    async with anyio.create_task_group() as tasks:
        if url:
            tasks.start_soon(anyio.to_thread.run_sync, _read_database, state, url)
        for source in state.sources.models:
            tasks.start_soon(anyio.to_thread.run_sync, _read_source, state, source, url)
    if url:
        return
    of_models = next((answer.database_url for answer in state.answers if answer.database_url), "")
    if of_models:
        await anyio.to_thread.run_sync(_read_database, state, of_models)
    elif not _lacks_settings(state):
        state.note(Topic.DATABASE, _say_no_database(state.subject.service))


def _lacks_settings(state: _Look) -> bool:
    """Tell whether the settings could not be read that name the database: the cause, which is told already."""
    return not state.answers and any(source.kind == "django" for source in state.sources.models)


def _say_no_database(service: str) -> CannotLook:
    return CannotLook(
        f"neither the rules of {service} nor its environment name a database (DATABASE_URL is not set)",
        code="database-unknown",
        fix=f"write `schema: {{database: postgresql://…}}` under {service} in services.yaml",
    )


def _read_database(state: _Look, url: str) -> None:
    with suppress(ValueError):  # a URL that cannot be read is told by who opens it
        state.named = parse_url(url, state.subject.code.folder).describe()
    try:
        state.live = state.tools.open_database(url, folder=state.subject.code.folder)
        state.schema = state.live.introspect()
    except CannotLook as problem:
        state.note(Topic.DATABASE, problem)


def _read_source(state: _Look, source: ModelSource, url: str) -> None:
    try:
        is_prisma = source.kind == "prisma"
        answer = _read_prisma(source) if is_prisma else _ask_models(state.subject, state.tools, source, url)
        state.answers.append(answer)
    except CannotLook as problem:
        state.note(Topic.MODELS, problem)


def _read_prisma(source: ModelSource) -> ModelAnswer:
    prisma = read_prisma(Path(source.path))
    return ModelAnswer(schema=to_schema(prisma), ignored_tables=list_ignored_tables(prisma))


def _ask_models(subject: Subject, tools: Tools, source: ModelSource, url: str) -> ModelAnswer:
    question = ModelQuestion(
        place=subject.code,
        framework=source.kind,
        dialect=Dialect(dialect_of(url)) if url else None,
        reference=source.reference,
        alembic_ini=source.path if source.kind == "sqlalchemy" else "",
        manage_py=source.path if source.kind == "django" else "",
    )
    return tools.read_models(question)


def _judge(state: _Look) -> None:
    assert state.live is not None
    assert state.schema is not None
    for place in state.sources.tools:
        _read_state(state, place)
    found = [_compare(state, answer) for answer in state.answers]
    state.differences = _leave_out(state, [one for differences in found for one in differences])
    evidence = Evidence(
        service=state.subject.service,
        place=state.live.place,
        expected=tuple(answer.schema for answer in state.answers),
        live=state.schema,
        differences=tuple(state.differences),
        states=tuple(state.states),
        command=as_written(state.subject.rules.migrate),
        show=lambda path: show_path(path, state.subject.repository),
    )
    state.findings += explain(evidence)


def _read_state(state: _Look, place: ToolPlace) -> None:
    assert state.live is not None
    of_alembic = next((answer for answer in state.answers if answer.version_table), None)
    is_alembic = place.tool == "alembic" and of_alembic is not None
    try:
        read = read_records(
            place,
            state.live,
            version_table=of_alembic.version_table if is_alembic and of_alembic else "",
            version_schema=of_alembic.version_schema if is_alembic and of_alembic else "",
            find_branch=state.tools.find_branch,
        )
    except CannotLook as problem:
        state.note(Topic.MIGRATIONS, problem)
        return
    state.states.append(read)
    count = len(read.known)
    state.checked.append(f"{count} {read.title} {'migration' if count == 1 else 'migrations'}")


def _compare(state: _Look, answer: ModelAnswer) -> Sequence[Difference]:
    assert state.schema is not None
    count = len(answer.schema.tables)
    source = answer.schema.source.replace(f"{state.subject.repository}/", "")
    state.checked.append(f"{count} {'table' if count == 1 else 'tables'} of {source}")
    for warning in answer.warnings:
        state.findings.append(
            Finding(id=f"models-warning:{warning[:40]}", severity=Severity.INFO, topic=Topic.MODELS, text=warning)
        )
    differences = compare(
        answer.schema,
        state.schema,
        ignore=(*state.subject.rules.ignore, *answer.ignored_tables),
        tool_tables=[read.table for read in state.states],
    )
    return [replace(one, place=_place(one.place, state.subject)) for one in differences]


def _place(place: str, subject: Subject) -> str:
    """Return `file:line` relative to the repository; that of an installed package stays as it is."""
    file, colon, line = place.rpartition(":")
    path = Path(subject.code.folder) / file
    if not colon or subject.code.container or not path.is_file():
        return place
    return f"{show_path(path, subject.repository)}:{line}"


def _leave_out(state: _Look, differences: Sequence[Difference]) -> list[Difference]:
    """Take out what the `accept` file names, and tell what it names in vain."""
    rules = state.subject.rules
    rest, unused = without_accepted(differences, frozenset(rules.accepted))
    if unused:
        names = ", ".join(sorted(unused)[:3])
        state.findings.append(
            Finding(
                id="accept-unused",
                severity=Severity.INFO,
                topic=Topic.FILES,
                text=f"{show_path(rules.accept, state.subject.repository)} accepts what is no difference: {names}",
            )
        )
    return list(rest)
