"""The view of `devenv schema diff`."""

from __future__ import annotations

import json
import re

import pytest

from devenv.cli.views.differences import Compared, difference_lines, differences_document
from devenv.schema.differences import Difference, Kind

TENANT = Difference(
    kind=Kind.COLUMN_MISSING,
    table="users",
    part="tenant_id",
    expected="character varying(36) NOT NULL",
    place="app/models/user.py:14",
)
AGE = Difference(kind=Kind.TYPE_DIFFERS, table="users", part="age", expected="integer", found="text")
INDEX = Difference(kind=Kind.INDEX_MISSING, table="users", part="tenant_id, age")
OLD = Difference(kind=Kind.COLUMN_EXTRA, table="users", part="old", found="text")
ORDERS = Difference(kind=Kind.TABLE_MISSING, table="orders", place="app/models/order.py:3")


def _show(*differences: Difference, with_ids: bool = False, colour: bool = False) -> list[str]:
    return difference_lines(differences, colour=colour, with_ids=with_ids)


def test_differences_are_grouped_by_table_with_the_gravest_first() -> None:
    """In the columns of a diff: what, as which type, what is wrong, where it is written."""
    assert "\n".join(_show(OLD, INDEX, TENANT, AGE, ORDERS)) == (
        "- orders                                                  error: the database lacks this table"
        "      app/models/order.py:3\n"
        "\n"
        "~ users.age               integer → text                  error: another type\n"
        "- users.tenant_id         character varying(36) NOT NULL  error: the database lacks this column"
        "     app/models/user.py:14\n"
        "- users (tenant_id, age)                                  warning: the database lacks this index\n"
        "+ users.old               text                            info: the code does not know this column"
    )


def test_ids_are_those_of_an_accept_file() -> None:
    """Shown on request, to be copied."""
    assert "    id: column-missing:users.tenant_id" in _show(TENANT, with_ids=True)
    assert not any("id:" in line for line in _show(TENANT))


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_words(kind: Kind) -> None:
    """A kind that is added without them fails here."""
    (line,) = _show(Difference(kind=kind, table="users", part="a"))
    assert re.match(r"[-+~] users( \(a\)|\.a)  .*(error|warning|info): \w+", line)


def test_colour_follows_the_sign() -> None:
    """What is missing is red, what is extra green, what is changed yellow."""
    assert [line[:5] for line in _show(TENANT, OLD, AGE, colour=True)] == ["\x1b[33m", "\x1b[31m", "\x1b[32m"]


def test_nothing_is_said_in_words_when_nothing_differs() -> None:
    """An empty list would look as if nothing had run."""
    assert _show() == ["no differences"]


def test_each_difference_is_shown_once() -> None:
    """Two sources may tell the same."""
    assert len(_show(TENANT, TENANT)) == 1


def test_names_of_a_database_cannot_draw_on_the_terminal() -> None:
    """Line ends and escapes are shown as text."""
    evil = Difference(kind=Kind.COLUMN_EXTRA, table="users\n+ x", part="\x1b[2J", found="te\rxt")
    (line,) = _show(evil)
    assert line.isprintable()


def test_document_names_the_database_and_every_difference() -> None:
    """For programs: the id, the parts and the severity, under the service."""
    compared = Compared(service="api", database="database app at db:5432", differences=(OLD, TENANT))
    document = json.loads(json.dumps(differences_document([compared], status=6)))
    assert (document["version"], document["status"]) == (1, 6)
    (api,) = document["services"]
    assert (api["service"], api["database"]) == ("api", "database app at db:5432")
    assert api["differences"][0] == {
        "id": "column-missing:users.tenant_id",
        "kind": "column-missing",
        "severity": "error",
        "table": "users",
        "part": "tenant_id",
        "expected": "character varying(36) NOT NULL",
        "found": "",
        "place": "app/models/user.py:14",
    }
    assert len(api["differences"]) == 2
