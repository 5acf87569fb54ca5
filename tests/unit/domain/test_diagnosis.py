"""What an early end means, in words."""

from __future__ import annotations

import pytest

from devenv.domain.diagnosis import describe_end, diagnose_end, shown_command
from devenv.domain.errors import DevenvError, PortHeld, StartFailed
from devenv.domain.model import Service
from tests.support.builders import container, external, process, service, task

API = service("api", ports=(8000,), run=process("/bin/sh", "-c", "uvicorn app.main:app"))


def end(one: Service = API, exit_code: int | None = 1, *tail: str, was_ready: bool = False) -> DevenvError:
    """Return the diagnosis of an end after two seconds."""
    return diagnose_end(one, exit_code=exit_code, after_s=2.0, tail=tail, was_ready=was_ready)


def test_plain_end_says_command_status_and_time() -> None:
    """And where the rest is."""
    error = end(API, 3, "last words")
    assert (error.what, error.why) == ("cannot start api", "`uvicorn app.main:app` exited with status 3 after 2.0 s")
    assert (error.fix, error.details) == ("devenv logs api", ("last words",))
    assert type(error) is StartFailed


def test_verb_tells_what_the_service_was_about_to_do() -> None:
    """To start, to keep up, or to complete."""
    assert end(was_ready=True).what == "cannot keep up api"
    assert end(task("migrate")).what == "cannot complete migrate"


@pytest.mark.parametrize(
    "line",
    ["OSError: [Errno 98] Address already in use", "Error: listen EADDRINUSE: :::8000", "Port 8000 is already in use"],
)
def test_taken_port_is_recognised(line: str) -> None:
    """In the words of Python, Node and Vite."""
    error = end(API, 1, line)
    assert isinstance(error, PortHeld)
    assert (error.fix, "port 8000 was taken" in error.why) == ("devenv ports 8000", True)


def test_service_without_ports_has_none_taken() -> None:
    """Whatever it says."""
    assert type(end(service("worker"), 1, "address already in use")) is StartFailed


def test_missing_program_is_named() -> None:
    """With what to install."""
    error = end(API, 127, "/bin/sh: 1: uvicorn: not found")
    assert error.why.endswith("uvicorn is not on PATH")
    assert error.fix.startswith("install uvicorn")


def test_missing_module_is_named_also_behind_other_noise() -> None:
    """A log may hold an unrelated `not found` first."""
    error = end(API, 1, "favicon.ico: not found", "ModuleNotFoundError: No module named 'sqlalchemy.orm'")
    assert error.why.endswith("Python has no module sqlalchemy.orm")


def test_not_found_in_a_log_is_no_missing_program_by_itself() -> None:
    """Only status 127 says so."""
    assert end(API, 1, "favicon.ico: not found").fix == "devenv logs api"


@pytest.mark.parametrize(
    ("exit_code", "text"),
    [
        (None, "ended while nobody watched"),
        (0, "exited with status 0"),
        (-9, "was ended by signal 9"),
        (137, "exited with status 137 (killed: by hand, or out of memory)"),
    ],
)
def test_end_in_words(exit_code: int | None, text: str) -> None:
    """As a shell would number it."""
    assert describe_end(exit_code) == text


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (API, "uvicorn app.main:app"),
        (service("a", run=process("node", "server.js")), "node server.js"),
        (container("db"), "container fixture/busybox"),
        (external("x", "https://x"), "https://x"),
    ],
)
def test_command_is_shown_as_the_user_wrote_it(one: Service, text: str) -> None:
    """Without the shell that devenv puts before it."""
    assert shown_command(one) == text
