"""What is checked where a file asks for nothing.

Must not know how probes are repeated. Invariant: what cannot be checked from outside (no port, UDP only) is checked by
nothing: there running is ready.
"""

from urllib.parse import urlsplit

from devenv.domain.model import ContainerRun, ExternalRun, ProcessRun, Service, TaskRun, Transport
from devenv.domain.probe import Probe, Stages
from devenv.probes.health import Health
from devenv.probes.http import Http
from devenv.probes.redis import Redis
from devenv.probes.sql import Sql
from devenv.probes.tcp import Tcp


def default_stages(service: Service, *, has_health_test: bool = False) -> Stages:
    """Return the probes of `service` in stages that are passed one after the other.

    `has_health_test` says that the engine knows a health check of the container. A health check is a new process in the
    container on each attempt, so it has to wait for the port.
    """
    if service.probes:
        return (service.probes,)
    match service.run:
        case TaskRun():
            return ()
        case ExternalRun(url=url):
            return ((probe_for_url(url),),)
        case ContainerRun(health=declared):
            health: Stages = ((Health(),),) if has_health_test or declared else ()
            return (*_tcp(service), *health)
        case ProcessRun():
            return _tcp(service)


def probe_for_url(url: str) -> Probe:
    """Return the probe that fits `url`. Raises ValueError for a URL that no probe can ask."""
    scheme = url.partition(":")[0].partition("+")[0]
    match scheme:
        case "http" | "https":
            return Http(value=url)
        case "redis" | "rediss":
            return Redis(value=url)
        case "postgres" | "postgresql" | "mysql" | "mariadb" | "sqlite":
            return Sql(value=url)
    place = urlsplit(url)
    if not place.hostname or not place.port:
        raise ValueError(f"{url!r} names nothing to check: give http://, tcp://host:port, redis:// or a database's URL")
    return Tcp(value=f"{place.hostname}:{place.port}")


def _tcp(service: Service) -> Stages:
    return ((Tcp(),),) if any(port.transport is Transport.TCP for port in service.ports) else ()
