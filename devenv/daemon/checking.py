"""Everything that `devenv check` looks at, service by service, all at the same time.

Must not word findings nor show them. Invariants: verdicts come in the order of the services, whichever ends first; a
check that takes too long is a finding, not a wait.
"""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from devenv.adapters.state.claims import write_private
from devenv.adapters.state.paths import create_private
from devenv.daemon.inspection import find_missing_tables, inspect, place_server
from devenv.domain.environment_rules import check_environment
from devenv.domain.errors import HostError
from devenv.domain.findings import Finding, Severity, Topic, Verdict, sort_findings
from devenv.domain.model import CacheRules, ContainerRun, EnvironmentRules, ExternalRun, Service
from devenv.domain.references import service_url
from devenv.domain.subject import Subject
from devenv.schema.differences import Difference
from devenv.schema.discover import show_path

DEADLINE_S = 90.0
_CACHE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkup:
    """A service to be checked. `is_remote`: against another target than the stack's own, so that defaults are grave."""

    service: Service
    subject: Subject
    is_remote: bool = False


@dataclass(slots=True, kw_only=True)
class Result:
    """What came of a checkup."""

    verdict: Verdict
    differences: tuple[Difference, ...] = ()


def check_all(checkups: Sequence[Checkup], state_dir: Path) -> list[Result]:
    """Check all of them; whoever calls runs no event loop."""
    return anyio.run(_check_all, checkups, state_dir)


async def _check_all(checkups: Sequence[Checkup], state_dir: Path) -> list[Result]:
    results = [Result(verdict=Verdict(service=one.service.name)) for one in checkups]
    async with anyio.create_task_group() as tasks:
        for checkup, result in zip(checkups, results, strict=True):
            tasks.start_soon(_check_one, checkup, result, state_dir)
    return results


async def _check_one(checkup: Checkup, result: Result, state_dir: Path) -> None:
    """Make every check that applies to the service, each adding to the verdict."""
    async with anyio.create_task_group() as tasks:
        if checkup.service.schema is not None:
            tasks.start_soon(_check_schema, checkup, result, state_dir)
        if checkup.service.imports:
            tasks.start_soon(_add_from_thread, result, partial(_check_imports, checkup, state_dir))
        if checkup.service.env is not None:
            _add(result, *_check_environment(checkup))
        if checkup.service.cache is not None:
            tasks.start_soon(_add_from_thread, result, partial(_check_cache, checkup, state_dir))
        if not isinstance(checkup.service.run, ContainerRun | ExternalRun):
            tasks.start_soon(_add_from_thread, result, partial(_check_locks, checkup))


Looked = tuple[tuple[str, ...], tuple[Finding, ...]]
"""What was looked at, and what was found."""


async def _check_schema(checkup: Checkup, result: Result, state_dir: Path) -> None:
    with anyio.move_on_after(DEADLINE_S) as limit:
        verdict, differences = await inspect(place_server(checkup.subject), state_dir)
        result.differences = differences
        result.verdict = replace(result.verdict, database=verdict.database, took_s=verdict.took_s)
        _add(result, verdict.checked, verdict.findings)
    if limit.cancelled_caught:
        late = Finding(
            id="check-late",
            severity=Severity.UNKNOWN,
            topic=Topic.DATABASE,
            text=f"the check did not end within {DEADLINE_S:g} s",
            fix=f"devenv check {checkup.service.name}",
        )
        _add(result, (), (late,))


async def _add_from_thread(result: Result, look: Callable[[], Looked]) -> None:
    _add(result, *await anyio.to_thread.run_sync(look))


def _add(result: Result, checked: tuple[str, ...], findings: tuple[Finding, ...]) -> None:
    before = result.verdict
    result.verdict = replace(
        before, checked=(*before.checked, *checked), findings=sort_findings((*before.findings, *findings))
    )


def _check_imports(checkup: Checkup, state_dir: Path) -> Looked:
    findings = find_missing_tables(place_server(checkup.subject), state_dir).findings
    return tuple(f"the tables of {Path(path).name}" for path in checkup.service.imports), findings


def _check_environment(checkup: Checkup) -> Looked:
    rules = checkup.service.env
    assert rules is not None
    findings = check_environment(
        checkup.service.name,
        _own_variables(checkup, rules),
        replace(rules, example=show_path(rules.example, checkup.subject.repository)),
        placeholders=rules.placeholders,
        is_remote=checkup.is_remote,
    )
    return ("its variables",), findings


def _own_variables(checkup: Checkup, rules: EnvironmentRules) -> dict[str, str]:
    """Return the variables that the files declare or the rules name: the rest is the user's own shell."""
    declared = getattr(checkup.service.run, "environment", {})
    named = {*declared, *rules.required, *rules.forbidden, *rules.secrets, *rules.placeholders}
    return {name: value for name, value in checkup.subject.code.environment.items() if name in named}


def _check_locks(checkup: Checkup) -> Looked:
    from devenv.lockfiles.check import check_locks, looks_locked  # noqa: PLC0415 - few services have a lock file

    code, top = checkup.subject.code, Path(checkup.subject.repository)
    if not looks_locked(Path(code.folder), top):
        return (), ()
    findings = check_locks(Path(code.folder), environment=code.environment, argv=code.argv, stop_at=top)
    return ("its installed packages",), findings


def _check_cache(checkup: Checkup, state_dir: Path) -> Looked:
    from devenv.adapters.caches import audit  # noqa: PLC0415 - loads the client library
    from devenv.domain.caches import KeyCounts, decode_counts, encode_counts, judge_cache  # noqa: PLC0415

    rules = checkup.service.cache
    assert rules is not None
    counts = audit(_cache_url(checkup.service, rules), rules.prefixes, deadline_s=_CACHE_S)
    remembered = state_dir / f"cache-{checkup.service.name}.json"
    previous = _read_json(remembered)
    findings = judge_cache(checkup.service.name, rules, counts, decode_counts(previous) if previous else None)
    if not isinstance(counts, KeyCounts):
        return (), findings
    if not checkup.is_remote:
        with suppress(HostError):  # without it the next audit cannot judge growth, and judges the rest
            create_private(state_dir)
            write_private(remembered, json.dumps(encode_counts(counts)))
    return ("the keys of its cache",), findings


def _cache_url(service: Service, rules: CacheRules) -> str:
    return rules.url or service_url(service)


def _read_json(path: Path) -> dict[str, object] | None:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None
