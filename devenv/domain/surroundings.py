"""The environment that a process gets.

Pure. Invariant: what a service declares wins over what devenv adds, and both win over the user's own environment.
"""

from collections.abc import Mapping

from devenv.domain.graph import close_over, edges_of
from devenv.domain.model import ProcessRun, Service, TaskRun
from devenv.domain.references import first_port, service_url


def surround(service: Service, services: Mapping[str, Service], base: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of `service`, a process or task whose texts are resolved.

    Adds `PORT`, and `<NAME>_PORT` and `<NAME>_URL` of everything that it depends on, directly or not.
    """
    numbered = service.ports and all(port.number is not None for port in service.ports)
    own = {"PORT": str(first_port(service))} if numbered else {}
    declared = service.run.environment if isinstance(service.run, ProcessRun | TaskRun) else {}
    return {**base, **inherit(service, services), **own, **declared}


def inherit(service: Service, services: Mapping[str, Service]) -> dict[str, str]:
    """Return what a process of `service` is told of its dependencies; a container is told nothing."""
    if not isinstance(service.run, ProcessRun | TaskRun):
        return {}
    below = [name for name in close_over(edges_of(services), [service.name]) if name != service.name]
    return addresses({name: services[name] for name in below})


def addresses(services: Mapping[str, Service]) -> dict[str, str]:
    """Return `<NAME>_PORT` and `<NAME>_URL` of each service that has them."""
    found: dict[str, str] = {}
    for name, service in services.items():
        if any(port.number is None for port in service.ports):
            continue  # an `auto` port that has no number yet: the service has never been started
        prefix = name.upper().replace("-", "_").replace(".", "_")
        if service.ports:
            found[f"{prefix}_PORT"] = str(first_port(service))
        if url := service_url(service):
            found[f"{prefix}_URL"] = url
    return found
