"""`devenv status` for people: what a ready service may still hide is said."""

from __future__ import annotations

import pytest

from devenv.cli.showing import _row

SERVICE = {"name": "api", "run": "process", "state": "ready", "url": "", "pid": 7, "container": "", "restarts": 0}


@pytest.mark.parametrize(
    ("schema", "detail", "shown"),
    [
        ("unknown", "", "database not checked: devenv check"),
        ("drift", "", "database differs: devenv check"),
        ("ok", "", ""),
        ("unknown", "it is slow", "it is slow"),
    ],
)
def test_row_never_passes_over_a_database_that_was_not_checked(schema: str, detail: str, shown: str) -> None:
    """A gate that could not run is not "ok"; what the service itself says comes first."""
    assert _row({**SERVICE, "schema": schema, "detail": detail})[-1] == shown


def test_row_is_shown_when_the_daemon_is_older() -> None:
    """Its document has no word for the database."""
    assert _row({**SERVICE, "detail": ""})[-1] == ""
