"""What is checked where a file asks for nothing."""

from __future__ import annotations

import pytest

from devenv.domain.model import ContainerRun, ExternalRun, HealthCommand, Port, ProcessRun, Service, TaskRun, Transport
from devenv.domain.probe import Probe
from devenv.probes import Health, Http, Redis, Sql, Tcp
from devenv.probes.defaults import Stages, default_stages, probe_for_url

PROCESS = ProcessRun(argv=("run",), working_dir="/app")
IMAGE = ContainerRun(image="db:1")
TCP_PORT = Port(number=8000)
UDP_PORT = Port(number=53, transport=Transport.UDP)
DECLARED = ContainerRun(image="db:1", health=HealthCommand(test=("CMD", "true")))


@pytest.mark.parametrize(
    ("service", "has_health_test", "stages"),
    [
        (Service(name="a", run=PROCESS, ports=(TCP_PORT,)), False, ((Tcp(),),)),
        (Service(name="a", run=PROCESS, ports=(UDP_PORT,)), False, ()),
        (Service(name="a", run=PROCESS), False, ()),
        (Service(name="a", run=TaskRun(argv=("x",), working_dir="/"), ports=(TCP_PORT,)), False, ()),
        (Service(name="a", run=IMAGE, ports=(TCP_PORT,)), False, ((Tcp(),),)),
        (Service(name="a", run=IMAGE, ports=(TCP_PORT,)), True, ((Tcp(),), (Health(),))),
        (Service(name="a", run=IMAGE), True, ((Health(),),)),
        (Service(name="a", run=DECLARED, ports=(UDP_PORT,)), False, ((Health(),),)),
        (Service(name="a", run=DECLARED, probes=(Http(value="/"),)), True, ((Http(value="/"),),)),
        (Service(name="a", run=ExternalRun(url="https://h/x")), False, ((Http(value="https://h/x"),),)),
    ],
)
def test_stages_follow_from_how_a_service_runs(service: Service, has_health_test: bool, stages: Stages) -> None:
    """Declared probes win; a health check is asked once its port listens; without either, running is ready."""
    assert default_stages(service, has_health_test=has_health_test) == stages


@pytest.mark.parametrize(
    ("url", "probe"),
    [
        ("http://127.0.0.1:1/health", Http(value="http://127.0.0.1:1/health")),
        ("redis://127.0.0.1", Redis(value="redis://127.0.0.1")),
        ("postgresql+psycopg://a@h/x", Sql(value="postgresql+psycopg://a@h/x")),
        ("tcp://10.0.0.1:70", Tcp(value="10.0.0.1:70")),
        ("amqp://10.0.0.1:5672", Tcp(value="10.0.0.1:5672")),
    ],
)
def test_probe_follows_from_the_url_when_a_service_runs_elsewhere(url: str, probe: Probe) -> None:
    """The scheme says what can be asked; any other with a port is asked whether it listens."""
    assert probe_for_url(url) == probe


def test_url_is_refused_when_nothing_can_be_checked() -> None:
    """A name without a port is no place."""
    with pytest.raises(ValueError, match="names nothing to check"):
        probe_for_url("tcp://somewhere")


@pytest.mark.parametrize("value", [False, 0, 70000, "host", "h:0", "8000x"])
def test_tcp_is_refused_when_it_names_no_port(value: bool | int | str) -> None:
    """A mistake in a file is found before anything starts."""
    with pytest.raises(ValueError, match=r"port|nothing"):
        Tcp(value=value)
