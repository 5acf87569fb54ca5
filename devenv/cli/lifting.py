"""The commands that change what runs: up, down, stop, start, restart.

Thin: build a request, follow it, turn its end into an exit status. Must not decide what happens to a service.
Invariant: a question is asked only where a person can answer, and its answer counts for this one run.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devenv.api.client import Client
from devenv.cli.follow import Followed, View, follow, follow_begun
from devenv.cli.output import can_ask, format_table, here, is_live, print_aside, print_data
from devenv.cli.session import Session, mentions_git
from devenv.cli.views.plain import JsonLinesView, PlainView, SilentView
from devenv.cli.views.words import ending_document, errors_text, steps_of
from devenv.domain.errors import UsageError

PROGRESS = ("auto", "plain", "json", "quiet")


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """The options of `up`, as typed."""

    services: tuple[str, ...] = ()
    no_deps: bool = False
    build: bool = False
    force_recreate: bool = False
    dry_run: bool = False
    rollback: bool = False
    free_ports: bool = False
    strict: bool = False
    pull: bool = False
    engine: str | None = None
    timeout: str | None = None
    attach: bool = False
    progress: str = "auto"
    as_json: bool = False


def bring_up(session: Session, options: UpOptions) -> int:
    """Bring services up; return the exit status."""
    view = _choose_view(options.progress, as_json=options.as_json)
    body = _up_body(session, options)
    followed = follow_begun(lambda: session.begin_up(body), view)
    if followed.conflicts:
        followed = _settle_ports(session.ensure(), body, followed, options)
    if options.dry_run and followed.ended.status == 0 and not options.as_json:
        _show_plan(followed)
    if options.attach and followed.ended.status == 0:
        return _attach(session, options)
    return followed.ended.status


def take_down(session: Session, body: Mapping[str, Any], *, progress: str, as_json: bool, with_sync: bool) -> int:
    """End the stack, then sync what `git:` asks for, whatever came of the first; return the exit status."""
    view = SilentView() if as_json else _choose_view(progress, as_json=False)
    # A daemon looks even where no record says that something runs: it may be lost, and volumes outlive it.
    followed = follow(session.ensure(), "/v1/down", dict(body), view)
    document = ending_document(followed.ended, followed.snapshot) if as_json else None
    if "pruned" in followed.ended.summary and not as_json and progress not in {"json", "quiet"}:
        from devenv.cli.pruning import show_pruned  # noqa: PLC0415 - only with `--prune`

        show_pruned(followed.ended)
    status = followed.ended.status
    if with_sync and mentions_git(session):
        from devenv.cli.syncing import sync_after  # noqa: PLC0415 - reads the configuration

        status = sync_after(session, status, progress=progress, document=document)
    if document is not None:
        print_data(json.dumps(document))
    return status


def stop_services(session: Session, services: tuple[str, ...], *, grace_s: float | None, as_json: bool) -> int:
    """Stop some services, or all that run; return the exit status."""
    client = session.client()
    if client is None:
        print_aside("nothing is running")
        return 0
    names = services or _all_services(client)
    view = _choose_view("auto", as_json=as_json)
    return follow(client, "/v1/down", {"services": list(names), "grace_s": grace_s}, view).ended.status


def restart_services(session: Session, services: tuple[str, ...], *, grace_s: float | None, as_json: bool) -> int:
    """Stop services and start them again; return the exit status."""
    client = session.ensure()
    names = services or _all_services(client)
    stopped = follow(client, "/v1/down", {"services": list(names), "grace_s": grace_s}, PlainView(quiet=True)).ended
    if stopped.status:
        return stopped.status
    return bring_up(session, UpOptions(services=names, no_deps=True, as_json=as_json))


def _all_services(client: Client) -> tuple[str, ...]:
    document = client.get("/v1/status")
    return tuple(service["name"] for service in document["services"])


def _up_body(session: Session, options: UpOptions) -> dict[str, Any]:
    return {
        "reading": session.reading(engine=options.engine),
        "services": list(options.services),
        "no_deps": options.no_deps,
        "build": options.build,
        "force_recreate": options.force_recreate,
        "dry_run": options.dry_run,
        "rollback": options.rollback,
        "free_ports": options.free_ports,
        "strict": options.strict,
        "pull": options.pull,
        "timeout_s": _seconds(options.timeout),
    }


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    from devenv.domain.durations import parse_duration  # noqa: PLC0415

    seconds = parse_duration(text)
    if seconds is None:
        raise UsageError(f"cannot read --timeout {text}", why="a duration looks like 30s, 1m30s or 500ms")
    return seconds


def _choose_view(progress: str, *, as_json: bool) -> View:
    if progress not in PROGRESS:
        raise UsageError(f"cannot show progress as {progress}", why=f"it is one of {', '.join(PROGRESS)}")
    if as_json:
        return PlainView(as_json=True, quiet=True)
    if progress == "json":
        return JsonLinesView()
    if progress == "auto" and is_live(here()):
        from devenv.cli.views.live import LiveView  # noqa: PLC0415

        return LiveView()
    return PlainView(quiet=progress == "quiet")


def _settle_ports(client: Client, body: dict[str, Any], followed: Followed, options: UpOptions) -> Followed:
    """Ask what to do about held ports and try again with the answers; without a person, say how to agree."""
    if can_ask(here()) and not options.as_json:
        from devenv.cli.prompts import ask_about_ports  # noqa: PLC0415

        decisions = ask_about_ports(list(followed.conflicts))
        if decisions is not None:
            view = _choose_view(options.progress, as_json=options.as_json)
            return follow(client, "/v1/up", {**body, "decisions": decisions}, view)
    if not options.as_json:
        print_aside(errors_text(followed.ended))
    return followed


def _show_plan(followed: Followed) -> None:
    rows = [(str(step["service"]), str(step["action"]), str(step["why"])) for step in steps_of(followed.ended)]
    print_data(format_table(("SERVICE", "ACTION", "WHY"), rows))


def _attach(session: Session, options: UpOptions) -> int:
    """Follow the logs until Ctrl-C, which then stops what this `up` started, as Compose does."""
    from devenv.cli.logs.choice import LogOptions  # noqa: PLC0415
    from devenv.cli.logs.showing import show_logs  # noqa: PLC0415

    try:
        show_logs(session, LogOptions(services=options.services, follow=True, last=10))
    except KeyboardInterrupt:
        print_aside("stopping (the stack goes on with `devenv up` without --attach)")
    status = stop_services(session, options.services, grace_s=None, as_json=False)
    return status or 130
