"""The ways in which a database can differ from what the code expects, and how grave each one is.

Pure. Must not know causes: `causes` groups differences into findings. Invariant: every kind has its severity here and
nowhere else.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from devenv.domain.findings import Severity


class Kind(StrEnum):
    """What differs."""

    TABLE_MISSING = "table-missing"
    TABLE_EXTRA = "table-extra"
    COLUMN_MISSING = "column-missing"
    COLUMN_EXTRA = "column-extra"
    COLUMN_REQUIRED = "column-required"
    """The database demands a value for a column that the code does not know: every insert fails."""
    TYPE_DIFFERS = "type-differs"
    TYPE_NARROWER = "type-narrower"
    """The database refuses or cuts what the code may write: a shorter text, a smaller number."""
    TYPE_WIDER = "type-wider"
    TYPE_UNCERTAIN = "type-uncertain"
    """The types may fit: one of them is not known here, or they differ in what only some code relies on."""
    LENGTH_DIFFERS = "length-differs"
    """A longer text, or coarser fractions of a second: reads and writes go through."""
    NULLABLE = "nullable"
    """The database allows NULL where the code never expects it."""
    NOT_NULL = "not-null"
    """The database refuses NULL where the code may write it."""
    DEFAULT_MISSING = "default-missing"
    """The code leaves the value to the database, which demands one and has no default."""
    ENUM_MISSING = "enum-missing"
    ENUM_VALUE_MISSING = "enum-value-missing"
    ENUM_VALUE_EXTRA = "enum-value-extra"
    PRIMARY_KEY = "primary-key"
    UNIQUE_MISSING = "unique-missing"
    UNIQUE_EXTRA = "unique-extra"
    """The database refuses duplicates that the code knows nothing of."""
    INDEX_MISSING = "index-missing"
    INDEX_INVALID = "index-invalid"
    FOREIGN_KEY_MISSING = "foreign-key-missing"


SEVERITIES: Mapping[Kind, Severity] = {
    Kind.TABLE_MISSING: Severity.ERROR,
    Kind.TABLE_EXTRA: Severity.INFO,
    Kind.COLUMN_MISSING: Severity.ERROR,
    Kind.COLUMN_EXTRA: Severity.INFO,
    Kind.COLUMN_REQUIRED: Severity.ERROR,
    Kind.TYPE_DIFFERS: Severity.ERROR,
    Kind.TYPE_NARROWER: Severity.ERROR,
    Kind.TYPE_WIDER: Severity.INFO,
    Kind.TYPE_UNCERTAIN: Severity.WARNING,
    Kind.LENGTH_DIFFERS: Severity.WARNING,
    Kind.NULLABLE: Severity.WARNING,
    Kind.NOT_NULL: Severity.WARNING,
    Kind.DEFAULT_MISSING: Severity.WARNING,
    Kind.ENUM_MISSING: Severity.ERROR,
    Kind.ENUM_VALUE_MISSING: Severity.ERROR,
    Kind.ENUM_VALUE_EXTRA: Severity.WARNING,
    Kind.PRIMARY_KEY: Severity.WARNING,
    Kind.UNIQUE_MISSING: Severity.WARNING,
    Kind.UNIQUE_EXTRA: Severity.WARNING,
    Kind.INDEX_MISSING: Severity.WARNING,
    Kind.INDEX_INVALID: Severity.WARNING,
    Kind.FOREIGN_KEY_MISSING: Severity.WARNING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference. `table` is a table's title, or the title of an enum type where `kind` is about one.

    `part` is the column, the columns of a key (`a, b`) or the value of an enum (`status.open` where a column lists its
    values itself), '' for the whole; `expected` and
    `found` are as the two sides write them; `place` is `file:line` in the code.
    """

    kind: Kind
    table: str
    part: str = ""
    expected: str = ""
    found: str = ""
    place: str = ""

    @property
    def id(self) -> str:
        """Return what an `accept` file calls it: `column-missing:users.tenant_id`."""
        return f"{self.kind}:{self.table}.{self.part}" if self.part else f"{self.kind}:{self.table}"

    @property
    def severity(self) -> Severity:
        """Return how grave it is."""
        return SEVERITIES[self.kind]
