"""`devenv check` and `devenv schema diff`: what they are about, and how the answer is shown.

Must not look at a database itself. Invariant: the exit status is 6 exactly where something blocks, however it is
shown, and a report is written in every case.
"""

import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from devenv.cli.output import has_colour, here, print_data
from devenv.cli.session import Session
from devenv.cli.subjects import Examined, gather, gather_stack, read_stack
from devenv.daemon.checking import Checkup, Result, check_all
from devenv.domain.database import is_database_url
from devenv.domain.errors import ConfigError, HostError, SchemaDrift, UsageError
from devenv.domain.findings import Severity, Verdict, blocks
from devenv.domain.model import SchemaRules


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """The options of `check` and `schema diff`, as typed."""

    services: tuple[str, ...] = ()
    database: str | None = None
    env_file: str | None = None
    strict: bool = False
    junit: str | None = None
    as_json: bool = False


def run_check(session: Session, options: CheckOptions) -> int:
    """Check services and show what was found; return the exit status."""
    began = time.monotonic()
    results = check_all(_plan(session, options), session.paths.folder)
    verdicts = [result.verdict for result in results if result.verdict.checked or result.verdict.findings]
    blocking = any(blocks(verdict, strict=options.strict) for verdict in verdicts)
    status = SchemaDrift.exit_status if blocking else 0
    if options.junit:
        _write_report(options.junit, verdicts, time.monotonic() - began, strict=options.strict)
    _show(session, verdicts, options, status)
    return status


def show_differences(session: Session, options: CheckOptions, *, with_ids: bool) -> int:
    """Show every difference of models and databases; return the exit status."""
    from devenv.cli.views.differences import Compared, difference_lines, differences_document  # noqa: PLC0415

    checkups = [one for one in _plan(session, options, only_schema=True) if one.service.schema is not None]
    if not checkups:
        raise UsageError(
            "cannot compare anything", why="no service has `schema:` in services.yaml", fix="devenv config"
        )
    results = check_all(checkups, session.paths.folder)
    breaking = any(one.severity is Severity.ERROR for result in results for one in result.differences)
    unread = [one for result in results for one in result.verdict.of(Severity.ERROR, Severity.UNKNOWN)]
    status = SchemaDrift.exit_status if breaking or (unread and not _compared(results)) else 0
    if options.as_json:
        compared = [
            Compared(service=result.verdict.service, database=result.verdict.database, differences=result.differences)
            for result in results
        ]
        print_data(_to_json(differences_document(compared, status=status)))
        return status
    for result in results:
        print_data(f"{result.verdict.service}: {result.verdict.database or 'no database was looked at'}")
        if not result.differences and not result.verdict.database:
            print_data("\n".join(f"  {one.text}" for one in result.verdict.findings))
            continue
        colour = has_colour(here())
        print_data("\n".join(difference_lines(result.differences, colour=colour, with_ids=with_ids)))
    return status


def _compared(results: list[Result]) -> bool:
    return all(result.verdict.database for result in results)


def _plan(session: Session, options: CheckOptions, *, only_schema: bool = False) -> list[Checkup]:
    """Return what is to be checked, aimed at another database where one is named."""
    variables = _read_variables(session, options.env_file) if options.env_file else {}
    if options.database is not None and not is_database_url(options.database):
        raise UsageError(
            "cannot check this database",
            why="--database takes a URL such as postgresql://user:password@host/name",
            fix="devenv check --database URL",
        )
    is_remote = bool(options.database or options.env_file)
    stack = read_stack(session, variables)
    found = [_aim(one, options.database) for one in gather(session, stack, options.services, variables=variables)]
    checkups = [Checkup(service=one.service, subject=one.subject, is_remote=is_remote) for one in found]
    whole = gather_stack(stack, variables) if not options.services and not only_schema else None
    if whole is not None:
        checkups.insert(0, Checkup(service=whole.service, subject=whole.subject, is_remote=is_remote))
    return checkups


def _aim(examined: Examined, database: str | None) -> Examined:
    """Return it with another database, where it has one to be checked."""
    if database is None or (examined.service.schema is None and not examined.service.imports):
        return examined
    rules: SchemaRules = replace(examined.subject.rules, database=database)
    return replace(examined, subject=replace(examined.subject, rules=rules))


def _read_variables(session: Session, file: str) -> Mapping[str, str]:
    from devenv.config.text.problems import Problems  # noqa: PLC0415 - only with --env-file
    from devenv.config.text.variables import Variables, load_env_files  # noqa: PLC0415

    path = Path(file).absolute()
    if not path.is_file():
        raise UsageError(f"cannot read {file}", why="there is no such file", fix=f"ls {path.parent}")
    problems = Problems(str(Path.cwd()))
    variables = load_env_files([str(path)], Variables(layers=[session.environment]), problems)
    if problems.found:
        raise ConfigError(f"cannot use {file}", fix="mend the lines above", diagnostics=problems.found)
    return variables


def _show(session: Session, verdicts: list[Verdict], options: CheckOptions, status: int) -> None:
    from devenv.cli.views.verdicts import summary_line, verdict_lines, verdicts_document  # noqa: PLC0415

    if options.as_json:
        print_data(_to_json(verdicts_document(verdicts, status=status)))
        return
    width = shutil.get_terminal_size((100, 24)).columns
    lines = verdict_lines(verdicts, colour=has_colour(here()), width=width)
    lines.append(summary_line(verdicts, strict=options.strict))
    print_data("\n".join(_annotate(session, lines, verdicts, options)))


def _annotate(session: Session, lines: list[str], verdicts: list[Verdict], options: CheckOptions) -> list[str]:
    """Return the lines with GitHub's annotations behind them, where it runs us."""
    if here().get("GITHUB_ACTIONS") != "true":
        return lines
    from devenv.cli.views.annotations import annotation_lines, fence  # noqa: PLC0415 - only there

    folder = str(Path(session.file).parent)
    root = here().get("GITHUB_WORKSPACE") or folder
    marks = annotation_lines(verdicts, root=root, folder=folder, strict=options.strict)
    return [*fence(lines, token=secrets.token_hex(16)), *marks]


def _write_report(file: str, verdicts: list[Verdict], took_s: float, *, strict: bool) -> None:
    from devenv.cli.views.junit import junit_xml  # noqa: PLC0415 - only with --junit

    path = Path(file)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(junit_xml(verdicts, took_s=took_s, strict=strict), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise HostError(f"cannot write {file}", why=str(error.strerror), fix=f"ls -ld {path.parent}") from None


def _to_json(document: dict[str, object]) -> str:
    import json  # noqa: PLC0415 - only with --json

    return json.dumps(document)
