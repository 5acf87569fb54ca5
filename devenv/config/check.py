"""What must hold between services: dependencies defined and enabled, no cycle, no two on a port, no loose reference.

Must not know how the services were written. Invariant: every mistake is noted once, at the place of the text that is
to be changed, and edges that may be missing are dropped without a word.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from devenv.config.compose.sources import ComposeSources
from devenv.config.text.problems import Problems, suggest
from devenv.config.text.variables import Reference
from devenv.domain.graph import edges_of, find_cycles
from devenv.domain.model import (
    Condition,
    ContainerRun,
    Dependency,
    ExternalRun,
    Mark,
    Port,
    Service,
    TaskRun,
    Transport,
)

_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What remains after the checks: the enabled services, with the edges that count."""

    services: Mapping[str, Service]
    disabled: Mapping[str, tuple[str, ...]]
    """Each switched-off service with its profiles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """Checks the services of one stack; `profiles` are those that the user chose."""

    services: Mapping[str, Service]
    sources: ComposeSources
    profiles: tuple[str, ...]
    problems: Problems

    def check(self) -> Checked:
        """Note every mistake and return what takes part."""
        disabled = self._disabled()
        enabled = {name: service for name, service in self.services.items() if name not in disabled}
        for service in self.services.values():
            for edge in service.depends_on:
                self._check_edge(service, edge, disabled)
        kept = {name: self._without_loose_edges(service, enabled) for name, service in enabled.items()}
        self._check_cycles(kept)
        self._check_ports(kept.values())
        return Checked(services=kept, disabled=disabled)

    def _disabled(self) -> dict[str, tuple[str, ...]]:
        found = {name: s.profiles for name, s in self.services.items() if not is_enabled(s.profiles, self.profiles)}
        for name in self.sources.names:
            if name not in self.services and (profiles := self.sources.profiles_of(name)):
                found[name] = profiles
        return found

    def _check_edge(self, service: Service, edge: Dependency, disabled: Mapping[str, tuple[str, ...]]) -> None:
        if edge.service == service.name:
            self._add(edge.mark, f"{service.name} depends on itself")
        elif edge.service in disabled:
            if edge.required and service.name not in disabled:
                text = f"{service.name} depends on {edge.service}, which {explain_disabled(disabled[edge.service])}"
                self._add(edge.mark, text)
        elif edge.service not in self.services:
            hint = suggest(edge.service, {*self.services, *disabled} - {service.name})
            self._add(edge.mark, f'{service.name} depends on "{edge.service}", which is not defined', hint=hint)
        elif edge.condition is Condition.COMPLETED:
            self._check_completes(edge)

    def _check_completes(self, edge: Dependency) -> None:
        target = self.services[edge.service]
        if not isinstance(target.run, TaskRun | ContainerRun):
            text = f"{target.name} is no task and never completes; wait until it is ready, or make it a task"
            self._add(edge.mark, text)

    def _without_loose_edges(self, service: Service, enabled: Mapping[str, Service]) -> Service:
        edges = tuple(edge for edge in service.depends_on if edge.service in enabled and edge.service != service.name)
        return replace(service, depends_on=edges)

    def _check_cycles(self, services: Mapping[str, Service]) -> None:
        for path in find_cycles(edges_of(services)):
            first = next(edge for edge in services[path[0]].depends_on if edge.service == path[1])
            self._add(first.mark, f"the services depend on each other in a circle: {' -> '.join(path)}")

    def _check_ports(self, services: Iterable[Service]) -> None:
        taken: dict[tuple[int, Transport], list[tuple[Service, Port]]] = {}
        for service in services:
            for port in service.ports:
                if port.number is None:
                    continue
                others = taken.setdefault((port.number, port.transport), [])
                other = next((one for one in others if _overlap(one[1].host, port.host)), None)
                if other:
                    self._say_taken(service, port, *other)
                others.append((service, port))

    def _say_taken(self, service: Service, port: Port, other: Service, taken: Port) -> None:
        where = port.mark or service.mark
        at = taken.mark or other.mark
        kind = "" if port.transport is Transport.TCP else f" ({port.transport})"
        place = f" at {self.problems.show(at.file)}:{at.line}" if at else ""
        who = f"also taken by {other.name}{place}" if other.name != service.name else f"listed twice, first{place}"
        self._add(where, f"port {port.number}{kind} of {service.name} is {who}")

    def _add(self, mark: Mark | None, message: str, *, hint: str = "") -> None:
        self.problems.add_at(mark, message, hint=hint)


def check_references(
    references: Sequence[tuple[Mark, Reference]], services: Mapping[str, Service], checked: Checked, problems: Problems
) -> None:
    """Note each `${service.field}` that cannot have a value."""
    for mark, reference in references:
        owner = reference.path[1] if len(reference.path) > 1 and reference.path[0] == "services" else None
        if owner in checked.disabled:
            continue
        message, hint = _explain_reference(reference, services, checked)
        if message:
            problems.add_at(mark, message, hint=hint)


def _explain_reference(reference: Reference, services: Mapping[str, Service], checked: Checked) -> tuple[str, str]:
    name = reference.service
    text = f"${{{name}.{reference.field}}}"
    if name in checked.disabled:
        return f"{text}: {name} {explain_disabled(checked.disabled[name])}", ""
    target = services.get(name)
    if target is None:
        return f'{text}: there is no service "{name}"', suggest(name, services)
    has_url = isinstance(target.run, ExternalRun) and reference.field == "url"
    if not target.ports and not has_url:
        return f"{text}: {name} has no ports", "give it ports, such as ports: [auto]"
    return "", ""


def is_enabled(profiles: Sequence[str], chosen: Sequence[str]) -> bool:
    """Tell whether a service with these profiles takes part."""
    return not profiles or "*" in chosen or any(profile in chosen for profile in profiles)


def explain_disabled(profiles: Sequence[str]) -> str:
    """Return why a service takes no part and how it would."""
    if len(profiles) == 1:
        return f"is disabled: profile {profiles[0]} is not active; add --profile {profiles[0]}"
    return f"is disabled: none of the profiles {', '.join(profiles)} is active; add --profile {profiles[0]}"


def _overlap(one: str, other: str) -> bool:
    return one == other or one in _EVERYWHERE or other in _EVERYWHERE
