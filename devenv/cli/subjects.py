"""What the checks are about, from the command line: the services of a stack as they run, or would run.

Reads the configuration and the run record; must not need a daemon. Invariant: ports are those that were really given,
where the stack has run, so that a database on a moved port is found.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

from devenv.adapters.state.run_record import JsonRunRecord
from devenv.app.ports import Record
from devenv.cli.loading import load_session
from devenv.cli.session import Session
from devenv.domain.errors import NotReady, UsageError
from devenv.domain.model import ExternalRun, Service, Stack
from devenv.domain.port_numbers import with_numbers
from devenv.domain.references import resolve
from devenv.domain.subject import Subject, make_subject
from devenv.domain.surroundings import surround


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A service with all its texts resolved, and what its code and database are."""

    service: Service
    subject: Subject


def gather_subjects(session: Session, names: tuple[str, ...]) -> list[Subject]:
    """Return the subjects of the named services; of those with `schema:` where none is named."""
    found = gather(session, read_stack(session, {}), names)
    return [one.subject for one in found if names or one.service.schema is not None]


def read_stack(session: Session, variables: Mapping[str, str]) -> Stack:
    """Return the stack as it reads with `variables` over the user's own."""
    return load_session(replace(session, environment={**session.environment, **variables}))


def gather(
    session: Session, stack: Stack, names: tuple[str, ...], *, variables: Mapping[str, str] | None = None
) -> list[Examined]:
    """Return the named services, all where none is named; `variables` win over what they are given otherwise.

    Raises UsageError for a name that no service has, NotReady for one that refers to a port which nothing has yet.
    """
    more = dict(variables or {})
    record = JsonRunRecord(session.paths.record).load()
    services = _with_known_ports(stack, record)
    containers = _find_containers(record)
    chosen = _choose(stack, names)
    found: list[Examined] = []
    for name in chosen:
        service = _resolve(services[name], services)
        if service is None:
            if names:
                raise NotReady(
                    f"cannot check {name}", why="it refers to a port that no service has yet", fix=f"devenv up {name}"
                )
            continue
        environment = {**surround(service, services, session.environment), **more}
        recorded = record.services.get(name) if record else None
        subject = make_subject(
            service,
            services,
            environment,
            root=stack.root,
            containers=containers,
            process=recorded.process if recorded else None,
        )
        found.append(Examined(service=service, subject=subject))
    return found


def gather_stack(stack: Stack, variables: Mapping[str, str]) -> Examined | None:
    """Return the stack itself as something whose variables are checked, None where nothing is asked of them."""
    if stack.env is None:
        return None
    itself = Service(name=stack.name, run=ExternalRun(url=""), env=stack.env)
    environment = {**stack.environment, **stack.variables, **variables}
    subject = make_subject(itself, {}, environment, root=stack.root, containers={})
    return Examined(service=itself, subject=subject)


def _choose(stack: Stack, names: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in names if name not in stack.services]
    if unknown:
        close = get_close_matches(unknown[0], stack.services, n=1)
        raise UsageError(
            f"cannot find the service {unknown[0]}",
            why=f"the services of {stack.name} are {', '.join(stack.services) or '(none)'}",
            fix=f"devenv check {close[0]}" if close else "devenv config --services",
        )
    return names or tuple(stack.services)


def _with_known_ports(stack: Stack, record: Record | None) -> dict[str, Service]:
    given = record.ports if record else {}
    return {name: with_numbers(service, given.get(name, ())) for name, service in stack.services.items()}


def _find_containers(record: Record | None) -> dict[str, str]:
    if record is None:
        return {}
    return {name: one.view.container for name, one in record.services.items() if one.view.container}


def _resolve(service: Service, services: Mapping[str, Service]) -> Service | None:
    try:
        return resolve(service, services)
    except (KeyError, IndexError):
        return None
