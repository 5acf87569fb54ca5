"""What the http probe accepts, refuses and concludes, without a connection."""

from __future__ import annotations

import pytest

from devenv.domain.probe import NotYet, Passed, Target
from devenv.probes import Http


def judge(probe: Http, status: int, words: str = "", body: str = "") -> Passed | NotYet:
    """Return what `probe` concludes from an answer."""
    return probe.judge("GET http://127.0.0.1:8000/health", status, words, body)


@pytest.mark.parametrize("status", [200, 204, 301, 399])
def test_answer_passes_when_its_status_is_success_or_redirect(status: int) -> None:
    """A redirect is an answer like any other."""
    assert judge(Http(value="/health"), status) == Passed(detail=f"HTTP {status}")


def test_answer_is_suspicious_when_it_is_a_4xx() -> None:
    """The request reached the service, and will be answered so again."""
    assert judge(Http(value="/health"), 404, "Not Found") == NotYet(
        reason="GET http://127.0.0.1:8000/health answered 404 Not Found", suspect="HTTP 404"
    )


def test_answer_shows_the_body_when_it_is_a_5xx() -> None:
    """A service that cannot reach its database says so, and may soon reach it."""
    assert judge(Http(value="/health"), 503, "Service Unavailable", "no\n  database\x1b[31m") == NotYet(
        reason="GET http://127.0.0.1:8000/health answered 503 Service Unavailable: no database [31m"
    )


@pytest.mark.parametrize(
    ("wanted", "status", "passes"),
    [
        (204, 204, True),
        (204, 200, False),
        ("200-204", 203, True),
        ((401, "200-299"), 401, True),
        ("200, 404", 404, True),
        ((401, "200-299"), 403, False),
    ],
)
def test_status_is_compared_when_one_is_wanted(
    wanted: int | str | tuple[int | str, ...], status: int, passes: bool
) -> None:
    """Numbers, ranges and lists of both."""
    assert isinstance(judge(Http(value="/", status=wanted), status), Passed) is passes


def test_answer_waits_when_the_body_does_not_match() -> None:
    """What was there instead is shown."""
    outcome = judge(Http(value="/", body='"ok": true'), 200, "OK", '{"ok": false}')

    assert isinstance(outcome, NotYet)
    assert outcome.reason.endswith("""body does not match '"ok": true': {"ok": false}""")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"value": "health"}, "neither a path"),
        ({"value": "/", "status": "2xx"}, "no HTTP status"),
        ({"value": "/", "status": 999}, "no HTTP status"),
        ({"value": "/", "body": "("}, "no regular expression"),
    ],
)
def test_probe_is_refused_when_it_makes_no_sense(options: dict[str, object], words: str) -> None:
    """A mistake in a file is found before anything starts."""
    with pytest.raises(ValueError, match=words):
        Http(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["${api.url}/health", "http://127.0.0.1:${api.port}/"])
def test_probe_is_accepted_when_references_are_unresolved(value: str) -> None:
    """Ports are known later."""
    assert Http(value=value).value == value


def test_description_hides_credentials_and_admits_that_certificates_are_not_verified() -> None:
    """Passwords may hold an @, and queries may hold tokens."""
    text = Http(value="https://bob:p@ss@127.0.0.1:9443/x?token=1").describe()

    assert text == "http https://bob@127.0.0.1:9443/x (certificate not verified)"


@pytest.mark.anyio
async def test_check_is_final_when_there_is_no_port_to_ask() -> None:
    """A path needs a port of the service."""
    outcome = await Http(value="/").check(Target(service="worker"))

    assert isinstance(outcome, NotYet)
    assert outcome.final
