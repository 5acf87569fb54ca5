"""`devenv prune`: what is asked before anything goes, and what is shown of it.

Must not know what may go: the daemon decides. Invariant: what belongs to other projects goes only after a person saw
the table of it and agreed, or with `--yes`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from devenv.api.client import Client
from devenv.api.wire import VERSION
from devenv.cli.follow import Followed, View, follow_begun
from devenv.cli.output import can_ask, here, print_aside, print_data
from devenv.cli.prompts import confirm
from devenv.cli.session import Session
from devenv.cli.views.plain import PlainView, SilentView
from devenv.cli.views.prunes import describe_prune, prune_document
from devenv.cli.views.words import errors_text
from devenv.domain.cleaning import PruneReport, decode_report
from devenv.domain.errors import DaemonUnreachable, UsageError
from devenv.domain.events import OperationEnded

_ROUTE = "/v1/prune"


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneOptions:
    """The options of `prune`, as typed."""

    dry_run: bool = False
    all_unused: bool = False
    agreed: bool = False
    as_json: bool = False


def prune(session: Session, options: PruneOptions) -> int:
    """Give disk space back; return the exit status."""
    if options.all_unused and not options.dry_run and not options.agreed and not _may_go(session, options):
        print_aside("nothing was removed")
        return UsageError.exit_status
    return _show(_ask_daemon(session, options, dry_run=options.dry_run), as_json=options.as_json)


def show_pruned(ended: OperationEnded) -> None:
    """Show what an operation pruned."""
    print_data(describe_prune(_read(ended), ended.failures))


def _read(ended: OperationEnded) -> PruneReport:
    """Return the report of an operation; nothing where it did not come that far."""
    pruned = ended.summary.get("pruned")
    return decode_report(pruned) if isinstance(pruned, dict) else PruneReport()


def _may_go(session: Session, options: PruneOptions) -> bool:
    """Show what would go of the whole engine, and ask."""
    if options.as_json or not can_ask(here()):
        why = "--all-unused removes what other projects left on the engine, and nobody can be asked here"
        raise UsageError("cannot prune the whole engine", why=why, fix="devenv prune --all-unused --yes")
    followed = _ask_daemon(session, options, dry_run=True)
    if followed.ended.status:
        print_aside(errors_text(followed.ended))
    print_aside(describe_prune(_read(followed.ended), followed.ended.failures))
    return confirm("Remove all of this, of every project on the engine?")


def _ask_daemon(session: Session, options: PruneOptions, *, dry_run: bool) -> Followed:
    body = {"reading": session.reading(), "all_unused": options.all_unused, "dry_run": dry_run}
    view: View = SilentView() if options.as_json or dry_run else _QuietEnd()
    return follow_begun(lambda: _begin(session, body), view)


def _begin(session: Session, body: Mapping[str, Any]) -> tuple[Client, Iterator[dict[str, Any]]]:
    client = session.ensure()
    try:
        return client, client.stream("POST", _ROUTE, body)
    except DaemonUnreachable:
        # One that ends still listens for a moment. Asking again is safe: what is gone is gone.
        client = session.ensure()
        return client, client.stream("POST", _ROUTE, body)


def _show(followed: Followed, *, as_json: bool) -> int:
    ended = followed.ended
    report = _read(ended)
    if as_json:
        failures = [dict(failure) for failure in ended.failures]
        print_data(json.dumps(prune_document(report, version=VERSION, status=ended.status, failures=failures)))
        return ended.status
    if ended.failures:
        print_aside(errors_text(ended))
    if report.reclaimed or report.refused or not ended.failures:
        print_data(describe_prune(report, ended.failures))
    return ended.status


class _QuietEnd(PlainView):
    """Says how far it is, and leaves the end to us."""

    def end(self, ended: OperationEnded, snapshot: object) -> None:
        """Show nothing."""
