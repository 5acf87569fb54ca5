"""Where a table and its columns are written, told from the indentation of a file."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from devenv.adapters.models.probe_places import Places

MODELS = '''\
    @decorated(
        "x",
    )
    class User(
        Base,
    ):
        """A person.

        email: where letters go
        """

        email: Mapped[str] = mapped_column(
            nullable=False,
        )
        made = Column("made_at", DateTime)

        class Meta:
            email = "no"

        late = 1

    # a comment between

    tags = Table(
        "tags",
        Column("id", Integer),
    )
    one = Table("one", metadata, Column("alone", Integer))
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return the file above."""
    path = tmp_path / "models.py"
    path.write_text(textwrap.dedent(MODELS))
    return path


@pytest.mark.parametrize(
    ("line", "column", "expected"),
    [
        (1, "email", 12), (1, "made_at", 15), (4, "made", 15), (4, "late", 20), (4, "inherited", 4), (4, "id", 4),
        (24, "id", 26), (28, "alone", 28), (99, "id", 99),
    ],
)  # fmt: skip
def test_column_is_found_when_it_is_in_the_statement(file: Path, line: int, column: str, expected: int) -> None:
    """Docstrings, nested classes and the next statement are not it; what is not there has the statement's line."""
    assert Places(str(file.parent)).find_at(str(file), line).of(column) == f"models.py:{expected}"


@pytest.mark.parametrize(
    ("name", "expected"), [("User", "models.py:4"), ("User.Meta", "models.py:17"), ("No", "models.py")]
)
def test_class_is_found_when_it_is_named(file: Path, name: str, expected: str) -> None:
    """By its qualified name; one that is not there has the file alone."""
    assert Places(str(file.parent)).find_class(str(file), name).place == expected


def test_place_begins_with_the_package_when_that_is_installed(tmp_path: Path) -> None:
    """Nobody needs the folders above it."""
    places = Places(str(tmp_path))
    assert places.show("/venv/lib/python3.12/site-packages/django/contrib/auth/models.py", 4) == (
        "django/contrib/auth/models.py:4"
    )
