"""Late values: `${api.port}`, `${api.url}` and `$$`, and the environment that a process gets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from devenv.domain.model import ContainerRun, OnConflict, Port, ProcessRun, Service, Transport
from devenv.domain.references import escape, find_references, first_port, resolve, service_url, shown_url, substitute
from devenv.domain.surroundings import addresses, surround
from tests.support.builders import ReadyAfter, container, external, process, service, task


def test_references_are_found_in_order() -> None:
    """Environment variables and escapes are none."""
    text = "${a.port} $$ ${HOME} ${b-2.url} ${c.name}"
    assert find_references(text) == [("a", "port"), ("b-2", "url")]


def test_escaped_text_comes_back_as_it_was() -> None:
    """A variable's value is never read as a reference."""
    value = "pa$$word ${api.port} $"
    assert substitute(escape(value), lambda name, field: "WRONG") == value


def test_everything_textual_of_a_service_is_resolved() -> None:
    """Command, environment and probes; numbers and words of the domain stay."""
    api = service("api", ports=(Port(number=8000, on_conflict=OnConflict.MOVE),))
    web = service(
        "web",
        "api",
        run=replace(process("run", "${api.port}", "$$HOME"), environment={"API": "${api.url}/v1"}),
        probes=(ReadyAfter(reason="${web.port}"),),
        ports=(5173,),
    )
    found = resolve(web, {"api": api, "web": web})
    assert isinstance(found.run, ProcessRun)
    assert found.run.argv == ("run", "8000", "$HOME")
    assert found.run.environment == {"API": "http://127.0.0.1:8000/v1"}
    assert found.probes == (ReadyAfter(reason="5173"),)
    assert found.ports == web.ports


def test_reference_to_nobody_is_an_error_of_the_caller() -> None:
    """The configuration should have refused it."""
    with pytest.raises(KeyError):
        resolve(service("a", run=process("${b.port}")), {})


def test_first_port_is_the_first_tcp_one() -> None:
    """UDP only where there is nothing else."""
    dns = Port(number=53, transport=Transport.UDP)
    assert first_port(service("a", ports=(dns, Port(number=80)))) == 80
    assert first_port(service("a", ports=(dns,))) == 53


@pytest.mark.parametrize(
    ("one", "url"),
    [
        (service("a"), ""),
        (service("a", ports=(8000,)), "http://127.0.0.1:8000"),
        (service("a", ports=(5432,)), "postgresql://127.0.0.1:5432"),
        (service("a", ports=(Port(number=53, transport=Transport.UDP),)), "udp://127.0.0.1:53"),
        (service("a", ports=(Port(number=80, host="0.0.0.0"),)), "http://127.0.0.1:80"),
        (service("a", ports=(Port(number=80, host="::"),)), "http://127.0.0.1:80"),
        (service("a", ports=(Port(number=80, host="::1"),)), "http://[::1]:80"),
        (service("a", ports=(Port(number=80, host="192.168.1.5"),)), "http://192.168.1.5:80"),
        (container("a", ports=(Port(number=6380, target=6379),)), "redis://127.0.0.1:6380"),
        (service("a", ports=(Port(number=15432, target=5432),)), "postgresql://127.0.0.1:15432"),
        (container("a", ports=(Port(number=5432, target=80),)), "http://127.0.0.1:5432"),
        (external("a", "https://x/health"), "https://x/health"),
    ],
)
def test_url_is_where_a_client_on_this_machine_gets_through(one: Service, url: str) -> None:
    """By protocol, published port and address."""
    assert service_url(one) == url


def test_process_gets_its_port_and_the_addresses_below_it() -> None:
    """Directly or not; what it declares wins, the user's own comes last."""
    services = {
        "my-db": service("my-db", ports=(5432,)),
        "api": service("api", "my-db", ports=(8000,)),
        "web": service("web", "api", ports=(5173,), run=replace(process(), environment={"API_PORT": "1"})),
        "other": service("other", ports=(1,)),
    }
    assert surround(services["web"], services, {"HOME": "/home/ada", "PORT": "9"}) == {
        "HOME": "/home/ada",
        "PORT": "5173",
        "MY_DB_PORT": "5432",
        "MY_DB_URL": "postgresql://127.0.0.1:5432",
        "API_PORT": "1",
        "API_URL": "http://127.0.0.1:8000",
    }


def test_surroundings_of_what_has_neither_port_nor_dependency_are_the_users_own() -> None:
    """A task, or a container that only `exec` asks about."""
    assert surround(task("t"), {"t": task("t")}, {"A": "1"}) == {"A": "1"}
    one = container("db")
    assert isinstance(one.run, ContainerRun)
    assert surround(one, {"db": one}, {"A": "1"}) == {"A": "1"}


def test_port_without_a_number_yet_is_left_out() -> None:
    """An `auto` port has none until its service is started."""
    one = service("a", ports=(None,))
    assert addresses({"a": one, "b": external("b", "http://x")}) == {"B_URL": "http://x"}
    assert surround(one, {"a": one}, {}) == {}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://app:s3cret@db.local:5432/app?sslpassword=x", "postgresql://app@db.local:5432/app"),
        ("https://127.0.0.1:9443/health", "https://127.0.0.1:9443/health"),
        ("redis://:pw@127.0.0.1:6379/0", "redis://@127.0.0.1:6379/0"),
    ],
)
def test_shown_url_has_no_password(url: str, shown: str) -> None:
    """What everybody may read holds no secret."""
    assert shown_url(external("db", url)) == shown
