"""The JUnit report, read back by an XML parser."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from devenv.cli.views.junit import junit_xml
from devenv.domain.findings import Finding, Severity, Topic, Verdict

MISSING = Finding(
    id="table-missing:orders",
    severity=Severity.ERROR,
    topic=Topic.MODELS,
    text="12 tables are missing",
    fix="alembic upgrade head",
    details=("orders", "items"),
    place="app/models/order.py:3",
)
UNREADABLE = Finding(id="models", severity=Severity.UNKNOWN, topic=Topic.MODELS, text="the models do not import")
INDEX = Finding(id="index", severity=Severity.WARNING, topic=Topic.MODELS, text="users lacks an index")


def _verdict(*findings: Finding) -> Verdict:
    return Verdict(
        service="api", database="database app at db:5432", checked=("12 tables", "4 migrations"), findings=findings,
        took_s=0.25,
    )  # fmt: skip


def _read(*verdicts: Verdict, strict: bool = False) -> ElementTree.Element:
    return ElementTree.fromstring(junit_xml(verdicts, took_s=1.5, strict=strict).encode())


def _case(root: ElementTree.Element, name: str) -> ElementTree.Element:
    found = root.find(f"testsuite/testcase[@name='{name}']")
    assert found is not None, ElementTree.tostring(root)
    return found


def test_every_service_is_a_suite_with_its_database() -> None:
    """A case for each thing that was checked, all passed where nothing was found."""
    root = _read(_verdict(), Verdict(service="web", checked=("env",)))
    assert [suite.get("name") for suite in root] == ["api", "web"]
    assert [case.get("name") for case in root.iter("testcase")] == ["12 tables", "4 migrations", "env"]
    assert [one.get("value") for one in root.iter("property")] == ["database app at db:5432", "none"]
    assert (root.get("time"), root[0].get("time")) == ("1.500", "0.250")


def test_error_is_a_failure_with_everything_that_is_known() -> None:
    """Text, place, details and fix, and the place as attributes."""
    case = _case(_read(_verdict(MISSING)), MISSING.id)
    assert (case.get("classname"), case.get("file"), case.get("line")) == ("api.models", "app/models/order.py", "3")
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message") == MISSING.text
    assert (failure.text or "").splitlines() == [
        "error: 12 tables are missing",
        "app/models/order.py:3",
        "- orders",
        "- items",
        "fix: alembic upgrade head",
    ]


def test_warning_passes_with_its_text_as_output() -> None:
    """It is told, and blocks nothing."""
    (told,) = _case(_read(_verdict(INDEX)), "index")
    assert (told.tag, told.text) == ("system-out", "warning: users lacks an index")


@pytest.mark.parametrize(("strict", "tag"), [(False, "skipped"), (True, "error")])
def test_what_was_not_checked_never_passes(strict: bool, tag: str) -> None:
    """Skipped with its reason, and an error with `--strict`."""
    (told,) = _case(_read(_verdict(UNREADABLE), strict=strict), "models")
    assert (told.tag, told.get("message")) == (tag, "the models do not import")


def test_counts_are_those_of_the_cases() -> None:
    """CI servers show them without counting; of each suite, and of all."""
    root = _read(_verdict(MISSING, INDEX, UNREADABLE), _verdict(UNREADABLE), strict=True)
    names = ("tests", "failures", "errors", "skipped")
    assert [[one.get(name) for name in names] for one in (root, *root)] == [
        ["8", "1", "2", "0"],
        ["5", "1", "1", "0"],
        ["3", "0", "1", "0"],
    ]


def test_report_is_well_formed_whatever_a_database_says() -> None:
    """Control characters, lone surrogates, what is no character at all, and markup, in every field."""
    ranges = (range(0x2100), range(0xD7F0, 0xE010), range(0xFFF0, 0x10010), range(0x1FFFE, 0x20000))
    every = "".join(chr(number) for numbers in ranges for number in numbers) + "]]></failure><!-- &amp; \"'"
    evil = Finding(
        id=every, severity=Severity.ERROR, topic=Topic.MODELS, text=every, fix=every, details=(every,), place=every
    )
    root = _read(Verdict(service=every, database=every, checked=(every,), findings=(evil,)))
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert (failure.get("message") or "").endswith("]]></failure><!-- &amp; \"'")
    assert r"\x1b" in (failure.get("message") or "")
    assert len(list(root.iter())) == 7


def test_password_of_a_url_is_not_in_the_report() -> None:
    """The report is uploaded, and read by many."""
    leak = Finding(id="x", severity=Severity.ERROR, topic=Topic.DATABASE, text="postgresql://app:s3cret@db/app is shut")
    assert "s3cret" not in junit_xml([_verdict(leak)], took_s=0)
