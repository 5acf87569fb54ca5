"""Verdicts in words and as a document."""

from __future__ import annotations

import json
import re

import pytest

from devenv.cli.views.verdicts import summary_line, verdict_lines, verdicts_document
from devenv.domain.findings import Finding, Severity, Topic, Verdict, decode_verdict

DATABASE = "database app, schema public at 127.0.0.1:5432 (PostgreSQL 15.18)"
MISSING = Finding(
    id="column-missing:users.tenant_id",
    severity=Severity.ERROR,
    topic=Topic.MODELS,
    text="table users lacks the column tenant_id. Migration 3b5b37687fb7 adds it and is pending.",
    fix="alembic upgrade head",
    place="app/models/user.py:14",
)
UNREADABLE = Finding(
    id="models", severity=Severity.UNKNOWN, topic=Topic.MODELS, text="app.models does not import: no module named funcy"
)
INDEX = Finding(id="index", severity=Severity.WARNING, topic=Topic.MODELS, text="users lacks an index")
EXTRA = Finding(id="extra", severity=Severity.INFO, topic=Topic.MODELS, text="the table audit is in no model")


def _api(*findings: Finding, checked: tuple[str, ...] = ("12 tables",)) -> Verdict:
    return Verdict(service="api", database=DATABASE, checked=checked, findings=findings)


def _show(*verdicts: Verdict, width: int = 100, colour: bool = False) -> str:
    return "\n".join(verdict_lines(verdicts, colour=colour, width=width))


def test_finding_tells_cause_place_and_fix() -> None:
    """The head names service and database, the finding below it what mends it."""
    assert _show(_api(MISSING)).splitlines() == [
        "✘ api: 1 error",
        f"  looked at: {DATABASE}",
        "  checked: 12 tables",
        "  ✘ table users lacks the column tenant_id. Migration 3b5b37687fb7 adds it and is pending.",
        "    app/models/user.py:14",
        "    fix: alembic upgrade head",
    ]


def test_database_and_what_was_checked_are_told_when_all_is_well() -> None:
    """Nothing found is not mistaken for nothing looked at."""
    assert _show(_api()).splitlines() == ["✔ api: ok", f"  looked at: {DATABASE}", "  checked: 12 tables"]


@pytest.mark.parametrize("findings", [(UNREADABLE,), (UNREADABLE, INDEX), (EXTRA, UNREADABLE)])
def test_what_could_not_be_checked_is_never_ok(findings: tuple[Finding, ...]) -> None:
    """Whatever else was found: a question mark and the words, in both views."""
    shown = _show(_api(*findings))
    assert shown.startswith("? api: ")
    assert "  ? not checked: app.models does not import" in shown
    assert "1 not checked" in summary_line([_api(*findings)], strict=False)
    assert not re.search(r"\bok\b|✔", shown + summary_line([_api(*findings)], strict=False))


def test_service_without_anything_to_check_is_not_called_ok() -> None:
    """No rule and no database: nothing was proven."""
    empty = Verdict(service="web")
    assert _show(empty).splitlines() == ["· web: nothing to check"]
    assert summary_line([empty], strict=False) == "web: nothing to check"
    assert summary_line([], strict=False) == "nothing to check"


def test_gravest_finding_comes_first() -> None:
    """In the order error, not checked, warning, note."""
    shown = _show(_api(EXTRA, INDEX, UNREADABLE, MISSING))
    assert re.findall(r"^  ([✘?!·])", shown, re.MULTILINE) == ["✘", "?", "!", "·"]


def test_text_is_wrapped_below_its_beginning() -> None:
    """A finding stays a block beside its mark; what is to be copied stays whole."""
    fix = "alembic " + "--x-option " * 9 + "upgrade head"
    long = Finding(id="x", severity=Severity.ERROR, topic=Topic.MODELS, text="one two three " * 10, fix=fix)
    shown = _show(_api(long), width=60)
    first, *others, last = shown[shown.index("  ✘ ") :].splitlines()
    assert first.startswith("  ✘ one")
    assert len(others) > 1
    assert all(line.startswith("    ") and line[4] != " " for line in others)
    assert all(len(line) <= 60 for line in [first, *others])
    assert last == f"    fix: {fix}"


@pytest.mark.parametrize(
    ("topic", "command"), [(Topic.MODELS, "devenv schema diff api"), (Topic.ENVIRONMENT, "devenv check api --json")]
)
def test_long_list_is_cut_when_a_command_shows_the_rest(topic: Topic, command: str) -> None:
    """Three of twelve, and where the other nine are."""
    many = Finding(
        id="x", severity=Severity.ERROR, topic=topic, text="12 are missing", details=tuple(f"t{n}" for n in range(12))
    )
    lines = _show(_api(many)).splitlines()
    assert lines[-4:] == ["    - t0", "    - t1", "    - t2", f"      and 9 more (`{command}`)"]


def test_short_list_is_shown_whole() -> None:
    """Three details need no command."""
    few = Finding(id="x", severity=Severity.ERROR, topic=Topic.MODELS, text="missing", details=("a", "b", "c"))
    assert _show(_api(few)).endswith("    - a\n    - b\n    - c")


def test_summary_counts_each_service() -> None:
    """One line for the end of a long list."""
    other = Finding(id="y", severity=Severity.ERROR, topic=Topic.MIGRATIONS, text="pending")
    verdicts = [_api(MISSING, other, INDEX), Verdict(service="web", checked=("env",)), _api(EXTRA)]
    assert summary_line(verdicts, strict=False) == "api: 2 errors, 1 warning; web: ok; api: ok, 1 note"


def test_summary_says_that_strict_refuses_what_was_not_checked() -> None:
    """The reason for an exit status that the same findings do not have without it."""
    assert "--strict" in summary_line([_api(UNREADABLE)], strict=True)
    assert "--strict" not in summary_line([_api(UNREADABLE)], strict=False)


def test_colour_adds_nothing_but_colour() -> None:
    """The words and their places are the same."""
    coloured = _show(_api(MISSING, UNREADABLE, INDEX, EXTRA), colour=True)
    assert "\x1b[31m✘\x1b[0m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == _show(_api(MISSING, UNREADABLE, INDEX, EXTRA))


@pytest.mark.parametrize("evil", ["\x1b[2J\x1b[31m", "a\r✔ api: ok", "a\n✔ api: ok", "\u202egnp", "\ud800", "\u2028✔"])
def test_names_of_a_database_cannot_draw_on_the_terminal(evil: str) -> None:
    """Escapes are shown, line ends are spaces: no line begins with what a database said."""
    bad = Finding(
        id=evil, severity=Severity.ERROR, topic=Topic.MODELS, text=evil, fix=evil, details=(evil,), place=evil
    )
    lines = verdict_lines([_api(bad, checked=(evil,))], colour=False, width=80)
    assert all(line.isprintable() for line in lines)
    assert not any(line.startswith("✔") for line in lines)
    "\n".join(lines).encode()


def test_names_that_differ_by_what_cannot_be_seen_look_different() -> None:
    """A zero-width space in a column's name is the whole finding."""
    seen = Finding(id="x", severity=Severity.ERROR, topic=Topic.MODELS, text="column na\u200bme is not name")
    assert r"na\u200bme" in _show(_api(seen))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:s3cret@db/app",
        "postgresql+psycopg://app:s3c%40ret@db:5432/app?sslmode=require",
        "mysql://:s3cret@db/app",
        "postgresql://app:s3cret@with-at@db/app",
        "postgresql://db/app?user=app&password=s3cret&sslmode=require",
    ],
)
def test_password_of_a_url_never_appears(url: str) -> None:
    """Wherever a finding carries it, in words and in JSON."""
    leak = Finding(
        id=url, severity=Severity.ERROR, topic=Topic.DATABASE, text=f"no answer from {url}.", fix=f"psql '{url}'",
        details=(url,), place=url,
    )  # fmt: skip
    verdict = Verdict(service="api", database=url, checked=(url,), findings=(leak,))
    told = _show(verdict) + json.dumps(verdicts_document([verdict], status=6))
    assert "s3c" not in told
    assert "with-at" not in told
    assert "db" in told


def test_url_without_a_password_stays_as_it_is() -> None:
    """Not everything with a colon and an at sign is a secret."""
    plain = Finding(
        id="x", severity=Severity.ERROR, topic=Topic.CACHE, text="http://127.0.0.1:8000/users/@me redis://cache:6379/0"
    )
    assert plain.text in _show(_api(plain))


def test_document_carries_whole_verdicts_and_the_status() -> None:
    """A program gets every detail, and can build the same verdict again."""
    verdict = _api(MISSING, UNREADABLE)
    document = json.loads(json.dumps(verdicts_document([verdict], status=6)))
    assert (document["version"], document["status"]) == (1, 6)
    assert [decode_verdict(one) for one in document["services"]] == [verdict]
