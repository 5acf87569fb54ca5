"""The engine's and Compose's texts and rows as our values: no engine needed."""

from __future__ import annotations

import hashlib
import json
import signal
from pathlib import Path

import pytest

from devenv.adapters.engine.compose_faults import describe_config_failure, find_complaint, read_warnings
from devenv.adapters.engine.endpoint import describe_unreachable, find_endpoint
from devenv.adapters.engine.faults import describe_create_failure, describe_start_failure, find_port, unwrap
from devenv.adapters.engine.images import describe_image_failure
from devenv.adapters.engine.logs import clean, read_time
from devenv.adapters.engine.look import read_container, read_health_test, read_inspection
from devenv.adapters.engine.stopping import Inmate, read_signal
from devenv.domain.errors import HostError, PortHeld, StartFailed

ENDPOINT_ID = "dvt-web-1 (" + "ab" * 32 + ")"
PROGRAMMING = f"driver failed programming external connectivity on endpoint {ENDPOINT_ID}"
SET_UP = "failed to set up container networking"
IN_USE = "address already in use"


@pytest.mark.parametrize(
    "text",
    [
        f"{PROGRAMMING}: Bind for 127.0.0.1:5432 failed: port is already allocated",
        f"{PROGRAMMING}: Error starting userland proxy: listen tcp4 127.0.0.1:5432: bind: {IN_USE}",
        f"{SET_UP}: {PROGRAMMING}: failed to bind host port for 0.0.0.0:5432:172.18.0.2:80/tcp: {IN_USE}",
        f"{PROGRAMMING}: failed to bind host port 0.0.0.0:5432/tcp: {IN_USE}",
        f"Ports are not available: exposing port TCP 0.0.0.0:5432 -> 127.0.0.1:0: listen tcp :5432: bind: {IN_USE}",
        f"Error starting userland proxy: listen tcp6 [::]:5432: bind: {IN_USE}",
        f"listen udp 0.0.0.0:5432: bind: {IN_USE}",
    ],
)
def test_a_start_failure_names_the_port_when_it_is_held(text: str) -> None:
    """Seven wordings of Docker 20.10 to 28 and Docker Desktop."""
    error = describe_start_failure("db", text)
    assert isinstance(error, PortHeld)
    assert (error.what, error.fix) == ("cannot start db: port 5432 is held", "devenv ports 5432")
    assert ENDPOINT_ID not in error.why


def test_a_start_failure_says_so_when_the_port_may_not_be_bound() -> None:
    """A rootless engine may not listen below 1024: nobody holds that port."""
    error = describe_start_failure(
        "web", "Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: permission denied"
    )
    assert isinstance(error, StartFailed)
    assert "may not listen on port 80" in error.what


def test_a_start_failure_keeps_the_cause_when_the_runtime_wraps_it() -> None:
    """Only the layers around it go."""
    text = (
        "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: "
        'exec: "serve": executable file not found in $PATH: unknown'
    )
    assert unwrap(text) == 'exec: "serve": executable file not found in $PATH'


def test_find_port_is_none_when_the_text_names_none() -> None:
    """A number anywhere else is no port."""
    assert find_port("container 8080 has no port: port is already allocated") is None


@pytest.mark.parametrize(
    ("complaint", "meaning"),
    [
        ('Get "https://r/v2/": dial tcp 127.0.0.1:1: connect: connection refused', "the registry cannot be reached"),
        ('Get "https://r/v2/": dial tcp: lookup r on 10.0.0.1:53: no such host', "the registry cannot be reached"),
        ("Get https://r/v2/: net/http: request canceled (Client.Timeout exceeded)", "the registry cannot be reached"),
        ("manifest for postgres:99 not found: manifest unknown", "the registry has no such image"),
        ("unauthorized: authentication required", "the registry wants a login"),
        (
            "pull access denied for x, repository does not exist or may require 'docker login'",
            "the registry has no such",
        ),
        ("write /var/lib/docker/tmp/x: no space left on device", "the disk is full"),
    ],
)
def test_an_image_failure_says_what_it_means_when_it_is_known(complaint: str, meaning: str) -> None:
    """The cause stays behind the meaning, without the engine's wrapping."""
    error = describe_image_failure(
        "pull", "db", "postgres:99", ["db Pulling", f"Error response from daemon: {complaint}"]
    )
    assert error.what == "cannot pull image postgres:99 of service db"
    assert error.why.startswith(meaning)
    assert error.why.endswith(complaint)


def test_compose_warnings_are_told_apart_when_they_precede_an_error() -> None:
    """Warnings are no part of the error, and each comes once."""
    line = 'time="2026-01-01T00:00:00Z" level=warning msg="The \\"X\\" variable is not set."\n'
    text = line + line + 'service "web" has neither an image nor a build context specified: invalid compose project\n'
    assert read_warnings(text) == ('The "X" variable is not set.',)
    assert describe_config_failure(text).why.startswith('service "web" has neither')
    assert find_complaint(line + " Container x  Creating\nError response from daemon: no\n").endswith("daemon: no")


def test_the_endpoint_is_docker_host_when_it_is_set(tmp_path: Path) -> None:
    """It goes over any context."""
    chosen = find_endpoint({"DOCKER_HOST": "unix:///x.sock", "DOCKER_CONTEXT": "other", "HOME": str(tmp_path)})
    assert (chosen.socket_path, chosen.chosen_by) == ("/x.sock", "DOCKER_HOST")


def test_the_endpoint_is_the_contexts_when_one_is_current(tmp_path: Path) -> None:
    """The docker command's own files say where that is."""
    digest = hashlib.sha256(b"colima").hexdigest()
    meta = tmp_path / ".docker/contexts/meta" / digest / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": "colima", "Endpoints": {"docker": {"Host": "unix:///c.sock"}}}))
    (tmp_path / ".docker/config.json").write_text(json.dumps({"currentContext": "colima"}))
    chosen = find_endpoint({"HOME": str(tmp_path)})
    assert (chosen.socket_path, chosen.chosen_by) == ("/c.sock", "context colima")


def test_the_endpoint_fails_when_the_context_is_unknown(tmp_path: Path) -> None:
    """The default engine would be the wrong one."""
    with pytest.raises(HostError, match="cannot reach the Docker engine"):
        find_endpoint({"HOME": str(tmp_path), "DOCKER_CONTEXT": "gone"})


def test_permission_denied_names_the_group_when_the_socket_is_closed_to_the_user() -> None:
    """The commonest cause on Linux has its own fix."""
    error = describe_unreachable(
        find_endpoint({"DOCKER_HOST": "unix:///x.sock"}), PermissionError(13, "Permission denied")
    )
    assert "permission denied" in error.why
    assert "docker" in error.fix


@pytest.mark.parametrize(
    ("test", "argv"),
    [
        (["CMD", "pg_isready", "-q"], ("pg_isready", "-q")),
        (["CMD-SHELL", "a || b"], ("/bin/sh", "-c", "a || b")),
        (["NONE"], ()),
        ([], ()),
        (None, ()),
    ],
)
def test_a_health_check_becomes_a_command_when_there_is_one(test: list[str] | None, argv: tuple[str, ...]) -> None:
    """Both of Docker's spellings, and both ways to have none."""
    assert read_health_test({"Config": {"Healthcheck": {"Test": test}}}) == argv


def test_a_row_is_read_when_fields_are_missing() -> None:
    """Engines leave out what they do not know."""
    row = {"Id": "x", "Names": ["/n"], "State": "exited", "Status": "Exited (137) 2 hours ago", "Labels": None}
    seen = read_container(row)
    assert seen is not None
    assert (seen.name, seen.exit_code, seen.service) == ("n", 137, "")
    assert read_container({**row, "Labels": {"com.docker.compose.oneoff": "True"}}) is None
    assert read_inspection({}).running is False


def test_tcp_wins_when_both_transports_publish_one_number() -> None:
    """A probe connects by TCP."""
    ports = {"53/udp": [{"HostPort": "53"}], "8053/tcp": [{"HostPort": "53"}], "80/tcp": None}
    assert read_inspection({"NetworkSettings": {"Ports": ports}}).targets == {53: 8053}


def test_a_blocked_signal_counts_as_handled_when_an_init_waits_for_it() -> None:
    """Small inits block SIGTERM and take it with sigwait."""
    waiting = Inmate(pid=2, inner_pid=1, parent=1, handled=1 << (signal.SIGTERM - 1))
    assert waiting.reacts_to(signal.SIGTERM)
    assert not waiting.reacts_to(signal.SIGINT)
    assert waiting.reacts_to(signal.SIGKILL)


@pytest.mark.parametrize(
    ("name", "number"), [("TERM", 15), ("SIGINT", 2), ("3", 3), ("RTMIN+3", signal.SIGRTMIN + 3), ("sigquit", 3)]
)
def test_a_signal_is_read_when_it_is_spelled_in_any_way(name: str, number: int) -> None:
    """As in Compose files and images."""
    assert read_signal(name) == number


def test_times_are_read_when_the_engine_writes_nanoseconds() -> None:
    """The year 1 means never."""
    assert read_time("1970-01-01T00:00:10.500000000Z") == 10.5
    assert read_time("0001-01-01T00:00:00Z") == 0.0


def test_control_codes_are_gone_when_a_line_is_coloured() -> None:
    """Colours, titles and carriage returns, but no text."""
    assert clean("\x1b[1;31mred\x1b[0m\x1b]0;title\x07 end\r") == "red end"


def test_engine_that_goes_away_under_compose_is_the_host() -> None:
    """Compose loses its connection in mid-create: the engine is at fault, not the service."""
    error = describe_create_failure('error during connect: Post "http://d.sock/v1.41/containers/create": EOF')
    assert isinstance(error, HostError)
    assert error.why.startswith("the Docker engine went away: error during connect")
