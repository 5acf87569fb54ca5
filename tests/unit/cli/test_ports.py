"""`devenv ports`: holders as rows and as data."""

from __future__ import annotations

from devenv.cli.port_holders import Held, Look
from devenv.cli.showing_ports import free_command, port_document, port_table
from devenv.domain.holders import ContainerFacts, Holder, ProcessFacts, ProcessId
from devenv.domain.ownership import Ownership, Self

CONTEXT = Self(uid=1000, pid=99)
PROCESS = ProcessFacts(id=ProcessId(pid=7, started=1), command="node x", working_dir="/src", user="me", uid=1000)
WEB = Held(holder=Holder(port=28800, address="0.0.0.0", process=PROCESS), ownership=Ownership.OURS, service="web")
WEB_6 = Held(holder=Holder(port=28800, address="::", process=PROCESS), ownership=Ownership.OURS, service="web")
DB = Held(
    holder=Holder(port=28801, address="127.0.0.1", container=ContainerFacts(id="c0ffee", name="db-1", image="pg")),
    ownership=Ownership.CONTAINER,
)


def test_table_shows_a_holder_once_when_it_listens_on_both_families() -> None:
    """IPv4 and IPv6 of one server are one row."""
    rows = port_table(Look(held=(WEB, WEB_6, DB), context=CONTEXT)).splitlines()
    assert len(rows) == 3
    assert rows[1].split()[:3] == ["28800/tcp", "*", "web"]
    assert rows[2].split()[:3] == ["28801/tcp", "127.0.0.1", "-"]


def test_document_has_facts_and_the_command_that_frees_the_port() -> None:
    """A script finds pid, ownership and fix."""
    document = port_document(WEB, CONTEXT)
    assert (document["pid"], document["ownership"], document["fix"]) == (7, "ours", "devenv stop web")
    assert port_document(DB, CONTEXT)["container"] == "db-1"


def test_command_is_the_holders_own_when_it_is_not_ours() -> None:
    """A container is stopped by Docker, an unnamed service of ours with the stack."""
    assert free_command(DB, CONTEXT) == "docker stop db-1"
    assert free_command(Held(holder=WEB.holder, ownership=Ownership.OURS), CONTEXT) == "devenv down"
    assert free_command(Held(holder=WEB.holder, ownership=Ownership.STRANGER), CONTEXT) == "kill 7"
