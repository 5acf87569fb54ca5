"""Compose's canonical model (what `docker compose config --format json` prints) to services of the domain.

Knows that shape and nothing of files; how it is obtained is the caller's. Invariant: texts keep Compose's `$$`, which
is ours too, and a service's `spec_hash` covers its definition and the networks, volumes, configs and secrets it uses.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from devenv.config.compose.sources import ComposeSources
from devenv.config.values import CONDITIONS, read_duration
from devenv.domain.model import (
    Condition,
    ContainerRun,
    Dependency,
    HealthCommand,
    Port,
    Restart,
    Service,
    Stop,
    Transport,
)

Model = Mapping[str, object]
WARNINGS = "x-devenv-warnings"
"""Where a model carries what Compose warned of, one sentence each."""


class ReadCompose(Protocol):
    """Asks `docker compose config` for the canonical model; raises ConfigError with Docker's own words."""

    def __call__(
        self,
        *,
        files: tuple[str, ...],
        directory: str,
        project: str | None,
        profiles: tuple[str, ...],
        env_files: tuple[str, ...],
        environment: Mapping[str, str],
    ) -> Model:
        """Return the model of these files with these profiles; warnings stand under `x-devenv-warnings`."""
        ...


def services_of(model: Model, sources: ComposeSources) -> dict[str, Service]:
    """Return the services of a canonical model, in the order in which the files define them."""
    found = _mapping(model.get("services"))
    order = [name for name in sources.names if name in found]
    order += [name for name in found if name not in order]
    return {name: _service(name, _mapping(found[name]), model, sources) for name in order}


def _service(name: str, spec: Model, model: Model, sources: ComposeSources) -> Service:
    return Service(
        name=name,
        run=_run(name, spec, model),
        ports=tuple(_ports(name, spec, sources)),
        depends_on=tuple(_dependencies(name, spec, sources)),
        restart=_restart(spec),
        stop=_stop(spec),
        profiles=_texts(spec.get("profiles")),
        mark=sources.mark(name),
    )


def _run(name: str, spec: Model, model: Model) -> ContainerRun:
    environment = _mapping(spec.get("environment"))
    project = str(model.get("name", ""))
    return ContainerRun(
        image=str(spec.get("image") or f"{project}-{name}"),
        builds="build" in spec,
        spec_hash=_hash(spec, model),
        health=_health(spec),
        container_name=str(spec.get("container_name") or ""),
        environment={key: str(value) for key, value in environment.items() if value is not None},
        command=_texts(spec.get("command")),
        volumes=tuple(
            f"{one.get('source')}:{one.get('target')}" for one in _mappings(spec, "volumes") if one.get("source")
        ),
    )


_NOT_IN_HASH = frozenset({"depends_on", "profiles", "pull_policy"})


def _hash(spec: Model, model: Model) -> str:
    used = {
        kind: {name: _mapping(model.get(kind)).get(name) for name in sorted(_used(spec, kind))}
        for kind in ("networks", "volumes", "configs", "secrets")
    }
    own = {key: value for key, value in spec.items() if key not in _NOT_IN_HASH}
    text = json.dumps({"service": own, **used}, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _used(spec: Model, kind: str) -> set[str]:
    if kind == "networks":
        return set(_mapping(spec.get(kind)))
    return {str(one["source"]) for one in _mappings(spec, kind) if one.get("source")}


def _health(spec: Model) -> HealthCommand | None:
    given = _mapping(spec.get("healthcheck"))
    if given.get("disable"):
        return HealthCommand(test=("NONE",))
    test = _texts(given.get("test"))
    return HealthCommand(test=test) if test else None


def _ports(name: str, spec: Model, sources: ComposeSources) -> Iterator[Port]:
    for one in _mappings(spec, "ports"):
        published = str(one.get("published") or "")
        number = int(published) if published.isdecimal() and published != "0" else None
        yield Port(
            number=number,
            host=str(one.get("host_ip") or ""),
            target=int(str(one.get("target", 0))),
            transport=Transport.UDP if one.get("protocol") == "udp" else Transport.TCP,
            mark=sources.port_mark(name, number),
        )


def _dependencies(name: str, spec: Model, sources: ComposeSources) -> Iterator[Dependency]:
    for target, given in _mapping(spec.get("depends_on")).items():
        edge = _mapping(given)
        yield Dependency(
            service=target,
            condition=CONDITIONS.get(str(edge.get("condition")), Condition.STARTED),
            required=edge.get("required") is not False,
            mark=sources.edge_mark(name, target),
        )


_RESTARTS = {
    "no": Restart.NO,
    "none": Restart.NO,
    "on-failure": Restart.ON_FAILURE,
    "always": Restart.ALWAYS,
    "any": Restart.ALWAYS,
    "unless-stopped": Restart.ALWAYS,
}


def _restart(spec: Model) -> Restart:
    policy = _mapping(_mapping(spec.get("deploy")).get("restart_policy"))
    word = str(spec.get("restart") or policy.get("condition") or "no")
    return _RESTARTS.get(word.partition(":")[0], Restart.NO)


def _stop(spec: Model) -> Stop:
    signal, grace = spec.get("stop_signal"), spec.get("stop_grace_period")
    default = Stop()
    return Stop(
        signal=str(signal).upper().removeprefix("SIG") if signal else default.signal,
        grace_s=read_duration(grace) if grace else default.grace_s,
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _mappings(spec: Model, key: str) -> list[Mapping[str, object]]:
    value = spec.get(key)
    return [_mapping(item) for item in value] if isinstance(value, Sequence) and not isinstance(value, str) else []


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(item) for item in value) if isinstance(value, Sequence) else ()
