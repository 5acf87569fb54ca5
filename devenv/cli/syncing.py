"""`devenv sync`, and the last step of `devenv down`.

Must not know git. Invariants: only what `git:` of services.yaml asks for is done; nobody is asked where no person can
answer; what was not done decides the exit status, however it is shown.
"""

import json
from pathlib import Path

from devenv.cli.output import can_ask, has_colour, here, print_aside, print_data
from devenv.cli.session import Session
from devenv.config.load import Request, load_git
from devenv.domain.errors import DevenvError, Interrupted, SyncIncomplete, UsageError
from devenv.domain.git_rules import GitRules
from devenv.domain.syncing import SyncReport
from devenv.sync.ports import CommitPlan

_SHOWN = 20


def sync_now(session: Session, *, dry_run: bool, as_json: bool) -> int:
    """Sync and show the report; return the exit status."""
    rules = read_rules(session)
    if rules is None:
        raise UsageError(
            "cannot sync",
            why="`git:` of services.yaml asks for neither `sync:` nor `mirror:`",
            fix="add `git: {sync: {remotes: [origin]}}` to services.yaml",
        )
    report = carry_out(session, rules, dry_run=dry_run, may_ask=not as_json)
    if as_json:
        print_data(json.dumps(describe(report)))
    else:
        show(report)
    return status_of(report)


def sync_after(session: Session, status: int, *, progress: str, document: dict[str, object] | None) -> int:
    """Sync after a `down` that came to `status`; return the exit status of both. `document` gets the report.

    After a Ctrl-C nothing is synced, and that is said.
    """
    try:
        rules = read_rules(session)
        if rules is None:
            return status
        if status == Interrupted.exit_status:
            print_aside("not synced: interrupted (devenv sync)")
            return status
        report = carry_out(session, rules, dry_run=False, may_ask=document is None and progress != "json")
    except DevenvError as error:
        return _tell(error, status, document)
    both = status or status_of(report)
    if document is not None:
        document |= {"status": both, "sync": describe(report)}
    elif progress == "json":
        print_data(json.dumps({"kind": "sync", **describe(report)}))
    else:
        show(report, quiet=progress == "quiet")
    return both


def _tell(error: DevenvError, status: int, document: dict[str, object] | None) -> int:
    """Tell why nothing could be synced."""
    from devenv.cli.failures import describe_error  # noqa: PLC0415
    from devenv.domain.errors import to_fields  # noqa: PLC0415

    both = status or error.exit_status
    if document is None:
        print_aside("\n".join(describe_error(error)))
    else:
        failures = document.get("failures")
        earlier = failures if isinstance(failures, list) else []
        document |= {"status": both, "failures": [*earlier, to_fields(error)]}
    return both


def read_rules(session: Session) -> GitRules | None:
    """Return what `git:` asks to be synced, None where it asks for nothing. Raises ConfigError."""
    request = Request(
        start=str(Path.cwd()),
        file=session.file,
        project=session.project,
        profiles=session.profiles,
        environment=session.environment,
    )
    rules = load_git(request)
    return rules if rules is not None and rules.has_work else None


def carry_out(session: Session, rules: GitRules, *, dry_run: bool, may_ask: bool) -> SyncReport:
    """Run a sync; return what became of it. Raises Interrupted after a Ctrl-C."""
    from devenv.daemon.syncing import run_sync  # noqa: PLC0415 - loads the event loop

    ask = _agree if may_ask and can_ask(here()) else None
    try:
        return run_sync(rules, environment=session.environment, say=print_aside, ask=ask, dry_run=dry_run)
    except KeyboardInterrupt:
        if ask is not None:
            print_aside("")  # a terminal shows ^C in the line of the question
        raise Interrupted("cannot finish the sync", why="it was interrupted", fix="devenv sync") from None


def show(report: SyncReport, *, quiet: bool = False) -> None:
    """Print the table, what was kept, and what was not done; only the last when `quiet`."""
    from devenv.cli.failures import describe_errors  # noqa: PLC0415
    from devenv.cli.views.syncs import report_lines, shorten_report  # noqa: PLC0415
    from devenv.daemon.syncing import show_folder  # noqa: PLC0415
    from devenv.sync.failures import find_failures  # noqa: PLC0415

    report = shorten_report(report, show_folder)
    lines = [] if quiet else report_lines(report, colour=has_colour(here()))
    if lines:
        print_data("\n".join(lines))
    if failures := find_failures(report):
        print_aside(describe_errors(failures))


def describe(report: SyncReport) -> dict[str, object]:
    """Return what `devenv sync --json` prints."""
    from devenv.domain.errors import to_fields  # noqa: PLC0415
    from devenv.domain.syncing import encode_sync  # noqa: PLC0415
    from devenv.sync.failures import find_failures  # noqa: PLC0415

    failures = [to_fields(error) for error in find_failures(report)]
    return {"version": 1, "status": status_of(report), **encode_sync(report), "failures": failures}


def status_of(report: SyncReport) -> int:
    """Return the exit status that a report comes to."""
    return 0 if report.is_complete else SyncIncomplete.exit_status


async def _agree(name: str, plan: CommitPlan) -> bool:
    """Show what a commit would take, and ask."""
    from devenv.cli.prompts import confirm_beside  # noqa: PLC0415 - only where somebody is asked
    from devenv.domain.texts import printable  # noqa: PLC0415

    print_aside(f"not committed in {name}:")
    for path in plan.paths[:_SHOWN]:
        print_aside(f"  {printable(path)}")
    if len(plan.paths) > _SHOWN:
        print_aside(f"  … and {len(plan.paths) - _SHOWN} more")
    for one in plan.left_out:
        print_aside(f"  left out {printable(one.path)}: {one.why}")
    return await confirm_beside(f"commit {'it' if len(plan.paths) == 1 else f'these {len(plan.paths)} files'}?")
