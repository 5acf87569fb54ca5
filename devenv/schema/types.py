"""How a column type of the code relates to that of the database, however either side spells it.

Pure: must not know tables or drivers. A type is read once into a `SqlType`: its family, and what bounds its values.
Invariant: two spellings of one type are SAME, and a type that is not known here is never called DIFFERENT.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any

from devenv.schema.ir import Dialect


class Relation(StrEnum):
    """What the database's type is, seen from the code's."""

    SAME = "same"
    WIDER = "wider"
    """It holds every value that the code writes, and more."""
    LENGTH = "length"
    """A longer text, or coarser fractions of a second: reads and writes go through."""
    UNCERTAIN = "uncertain"
    """It may fit: one of the two is not known here, or they differ in what only some code relies on."""
    NARROWER = "narrower"
    """It refuses or cuts values that the code may write."""
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlType:
    """A type, read. `name` is its one spelling; `family` is what may be told apart without knowing bounds.

    `size` counts bytes of numbers, characters of text, bytes of binary data, dimensions of a vector; None is without a
    bound. `precision` is of numeric types and of fractions of a second, None for as many as fit. What `is_padded`
    comes back with blanks at its end.
    """

    name: str
    family: str
    size: int | None = None
    precision: int | None = None
    scale: int = 0
    is_unsigned: bool = False
    has_zone: bool = False
    is_array: bool = False
    is_known: bool = True
    is_padded: bool = False
    arguments: tuple[str, ...] = ()


_NAMES: Mapping[str, str] = {
    "int2": "smallint", "smallserial": "smallint", "serial2": "smallint",
    "int": "integer", "int4": "integer", "serial": "integer", "serial4": "integer",
    "int8": "bigint", "bigserial": "bigint", "serial8": "bigint",
    "float4": "real", "float8": "double", "double precision": "double",
    "decimal": "numeric", "dec": "numeric", "fixed": "numeric",
    "bool": "boolean",
    "character varying": "varchar", "char varying": "varchar", "nvarchar": "varchar", "national varchar": "varchar",
    "national character varying": "varchar",
    "character": "char", "bpchar": "char", "nchar": "char", "national char": "char", "national character": "char",
    "timestamptz": "timestamp with time zone", "timestamp without time zone": "timestamp",
    "timetz": "time with time zone", "time without time zone": "time",
    "bit varying": "varbit",
    "geometrycollection": "geomcollection",
}  # fmt: skip
_INTEGERS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "integer": 4, "bigint": 8}
_TEXTS = frozenset({"varchar", "char", "text", "tinytext", "mediumtext", "longtext"})
_BINARIES = frozenset({"bytea", "binary", "varbinary", "blob", "tinyblob", "mediumblob", "longblob"})
# What MySQL puts a bound on by the name alone, in bytes.
_BOUNDS = {"tiny": 255, "": 65_535, "medium": 16_777_215, "long": 4_294_967_295}
_OTHERS = frozenset({
    "boolean", "date", "uuid", "json", "jsonb", "citext", "year", "bit", "varbit", "enum", "set", "xml", "money", "oid",
    "name", "inet", "inet4", "inet6", "cidr", "macaddr", "macaddr8", "tsvector", "tsquery", "hstore", "ltree", "vector",
    "halfvec", "sparsevec", "geometry", "geography", "point", "line", "lseg", "box", "path", "polygon", "circle",
    "linestring", "multipoint", "multilinestring", "multipolygon", "geomcollection", "int4range", "int8range",
    "numrange", "tsrange", "tstzrange", "daterange", "int4multirange", "int8multirange", "nummultirange",
    "tsmultirange", "tstzmultirange", "datemultirange",
})  # fmt: skip
_FAMILIES: Mapping[str, str] = {
    **dict.fromkeys(_INTEGERS, "integer"),
    **dict.fromkeys(("real", "double", "float"), "float"),
    **dict.fromkeys(_TEXTS, "text"),
    **dict.fromkeys(_BINARIES, "binary"),
    **dict.fromkeys(("timestamp", "timestamp with time zone", "datetime"), "timestamp"),
    **dict.fromkeys(("time", "time with time zone"), "time"),
    **{name: name for name in ("numeric", "interval", *_OTHERS)},
}

_CUT = re.compile(r"\s(?:collate|character set|charset|auto_increment|generated|check)\b.*", re.IGNORECASE)
_ARRAY = re.compile(r"(?:\s*\[\d*\]|\s+array)+$", re.IGNORECASE)
_CHOICES = re.compile(r"(enum|set)\b", re.IGNORECASE)
_CHOICE = re.compile(r"'((?:[^']|'')*)'")


@lru_cache(maxsize=4096)
def relate(expected: str, live: str, dialect: Dialect) -> Relation:
    """Return what `live` is to code that expects `expected`; both as anyone spells them, `[]` after an array's.

    A type that is not known here is SAME where both sides spell it alike, and UNCERTAIN beside another. SQLite keeps
    any value in any column: only its affinities are compared.
    """
    if expected == live:
        return Relation.SAME
    if dialect is Dialect.SQLITE:
        return _relate_affinities(expected, live)
    return _relate_types(read_type(expected, dialect), read_type(live, dialect), dialect)


@lru_cache(maxsize=4096)
def read_type(text: str, dialect: Dialect) -> SqlType:
    """Read a type as a database, SQLAlchemy, Django or Prisma writes it."""
    written = text.strip()
    if choices := _CHOICES.match(written):
        return SqlType(name=choices[1].lower(), family=choices[1].lower(), arguments=tuple(_CHOICE.findall(written)))
    plain = _CUT.sub("", written)
    element = _ARRAY.sub("", plain)
    words, arguments = _take_apart(element.lower())
    is_unsigned = "unsigned" in words
    name = " ".join(word for word in words if word not in {"unsigned", "signed", "zerofill"})
    name = name.rpartition(".")[2].replace('"', "").replace("`", "") or "unknown"
    known = _NAMES.get(name, name)
    if name == "serial" and dialect is Dialect.MYSQL:
        known, is_unsigned = "bigint", True
    if known.startswith("interval "):
        known = "interval"
    family = _FAMILIES.get(known, "")
    if known == "boolean" and dialect is Dialect.MYSQL:
        known, family = "tinyint", "integer"
    read = SqlType(
        name=known,
        family=family or known,
        is_unsigned=is_unsigned,
        has_zone=known.endswith("with time zone"),
        is_array=element != plain,
        is_known=bool(family),
        is_padded=known == "char" and dialect is Dialect.POSTGRESQL,
        arguments=arguments,
    )
    numbers = [int(argument) for argument in arguments if argument.isdigit()]
    if known == "char" and not numbers and name != "bpchar":
        numbers = [1]
    return replace(read, **_bounds(read, numbers, is_mysql=dialect is Dialect.MYSQL))


def _take_apart(text: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the words of a type and its arguments, which may stand in the middle: `timestamp(3) with time zone`."""
    before, _, rest = text.partition("(")
    inside, _, after = rest.partition(")")
    arguments = tuple(part.strip() for part in inside.split(",")) if inside.strip() else ()
    return f"{before} {after}".split(), arguments


def _bounds(read: SqlType, numbers: Sequence[int], *, is_mysql: bool) -> dict[str, Any]:
    """Return the fields that the arguments of a type decide, or the server where there are none."""
    first = numbers[0] if numbers else None
    match read.family:
        case "integer":
            bounds: dict[str, Any] = {"size": _INTEGERS[read.name]}
        case "float":
            bounds = {"size": _float_size(read.name, first, is_mysql=is_mysql)}
        case "numeric":
            precision = 10 if first is None and is_mysql else first
            bounds = {"precision": precision, "scale": numbers[1] if len(numbers) > 1 else 0}
        case "text" | "binary":
            bounds = {"size": _length(read.name, first, is_mysql=is_mysql)}
        case "timestamp" | "time" | "interval":
            bounds = {"precision": first if first is not None else 0 if is_mysql else 6}
        case _:
            bounds = {"size": first}
    return bounds


def _float_size(name: str, digits: int | None, *, is_mysql: bool) -> int:
    if name == "real":
        return 8 if is_mysql else 4
    if name == "double":
        return 8
    if digits is None:
        return 4 if is_mysql else 8
    return 4 if digits <= 24 else 8


def _length(name: str, length: int | None, *, is_mysql: bool) -> int | None:
    """Return how much fits. MySQL makes of `TEXT(1000)` the smallest of its text types that holds 1,000."""
    stem = name.removesuffix("text").removesuffix("blob")
    if not is_mysql or stem not in _BOUNDS:
        return length
    if stem == "" and length is not None:
        return min(bound for bound in _BOUNDS.values() if bound >= min(length, _BOUNDS["long"]))
    return _BOUNDS[stem]


def _relate_types(expected: SqlType, live: SqlType, dialect: Dialect) -> Relation:
    if expected.is_array != live.is_array:
        return Relation.DIFFERENT
    if expected.family != live.family:
        return _relate_families(expected, live, dialect)
    return _RULES.get(expected.family, _relate_arguments)(expected, live)


def _relate_arguments(expected: SqlType, live: SqlType) -> Relation:
    is_alike = not expected.arguments or _words(expected) == _words(live)
    return Relation.SAME if is_alike else Relation.LENGTH


def _relate_dimensions(expected: SqlType, live: SqlType) -> Relation:
    if expected.size in {live.size, None}:
        return Relation.SAME
    return Relation.WIDER if live.size is None else Relation.DIFFERENT


def _words(of: SqlType) -> tuple[str, ...]:
    return tuple(argument.replace(" ", "") for argument in of.arguments)


def _relate_families(expected: SqlType, live: SqlType, dialect: Dialect) -> Relation:
    """Relate two families: those that stand in for each other, then what is not known, then all the rest."""
    if dialect is Dialect.MYSQL:
        return _relate_mysql_families(expected, live)
    match expected.family, live.family:
        case ("text", "citext") | ("json", "jsonb"):
            return Relation.WIDER
        case ("jsonb", "json"):
            return Relation.NARROWER
        case _:
            return _relate_strangers(expected, live)


def _relate_mysql_families(expected: SqlType, live: SqlType) -> Relation:
    match expected.family, live.family:
        case ("json", "text") if live.name == "longtext":  # MariaDB's JSON is a longtext
            return Relation.SAME
        case ("text", "uuid") if expected.size in {32, 36}:  # SQLAlchemy makes of one `Uuid` either, by server
            return Relation.SAME
        case ("uuid", "text") | ("integer", "bit") | ("bit", "integer"):
            return Relation.UNCERTAIN
        case ("enum" | "set", "text"):
            needed = max((len(value) for value in expected.arguments), default=0)
            return Relation.WIDER if live.size is None or live.size >= needed else Relation.NARROWER
        case _:
            return _relate_strangers(expected, live)


def _relate_strangers(expected: SqlType, live: SqlType) -> Relation:
    return Relation.DIFFERENT if expected.is_known and live.is_known else Relation.UNCERTAIN


def _relate_ranges(expected: SqlType, live: SqlType) -> Relation:
    """Relate integers by what they hold. Only negative numbers missing is a doubt: few columns ever see one."""
    low, high = _range(expected)
    live_low, live_high = _range(live)
    if live_high < high:
        return Relation.NARROWER
    if live_low > low:
        return Relation.UNCERTAIN
    return Relation.SAME if (low, high) == (live_low, live_high) else Relation.WIDER


def _range(of: SqlType) -> tuple[int, int]:
    bits = 8 * (of.size or 0)
    return (0, 2**bits - 1) if of.is_unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _by_size(expected: SqlType, live: SqlType) -> Relation:
    if expected.size == live.size:
        return Relation.SAME
    return Relation.WIDER if (live.size or 0) > (expected.size or 0) else Relation.NARROWER


def _relate_numerics(expected: SqlType, live: SqlType) -> Relation:
    if (expected.precision, expected.scale) == (live.precision, live.scale):
        return Relation.SAME
    if live.precision is None:
        return Relation.WIDER
    if expected.precision is None or live.scale < expected.scale:
        return Relation.NARROWER
    has_room = live.precision - live.scale >= expected.precision - expected.scale
    return Relation.WIDER if has_room else Relation.NARROWER


def _relate_lengths(expected: SqlType, live: SqlType) -> Relation:
    if live.size is not None and (expected.size is None or live.size < expected.size):
        # Released projects live with other lengths for years; a text that has no limit in the code is another matter.
        is_length = expected.size is not None and live.name == expected.name
        return Relation.LENGTH if is_length else Relation.NARROWER
    if live.is_padded and not expected.is_padded:
        return Relation.UNCERTAIN
    if live.size == expected.size:
        return Relation.SAME
    return Relation.LENGTH if live.size is not None and live.name == expected.name else Relation.WIDER


def _relate_times(expected: SqlType, live: SqlType) -> Relation:
    if expected.has_zone != live.has_zone:
        return Relation.DIFFERENT
    if expected.name != live.name:  # MySQL: a timestamp ends in 2038, and follows the session's time zone
        return Relation.UNCERTAIN
    finer = (live.precision or 0) - (expected.precision or 0)
    return Relation.SAME if finer == 0 else Relation.WIDER if finer > 0 else Relation.LENGTH


_RULES: Mapping[str, Callable[[SqlType, SqlType], Relation]] = {
    "integer": _relate_ranges,
    "float": _by_size,
    "numeric": _relate_numerics,
    "text": _relate_lengths,
    "binary": _relate_lengths,
    "timestamp": _relate_times,
    "time": _relate_times,
    "interval": _relate_times,
    "vector": _relate_dimensions,
    "halfvec": _relate_dimensions,
    "bit": _relate_dimensions,
    "enum": lambda _expected, _live: Relation.SAME,
    "set": lambda _expected, _live: Relation.SAME,
}


def _relate_affinities(expected: str, live: str) -> Relation:
    wanted, found = _affinity(expected), _affinity(live)
    if wanted == found or {wanted, found} & {"any"} or {wanted, found} in _INTERCHANGEABLE:
        return Relation.SAME
    return Relation.UNCERTAIN if {wanted, found} == {"integer", "real"} else Relation.DIFFERENT


# Dates and JSON are text to SQLite whatever their column is called; `numeric` keeps integers and reals as they are.
_INTERCHANGEABLE = (
    {"written", "text"}, {"written", "numeric"}, {"written", "integer"}, {"written", "real"},
    {"numeric", "integer"}, {"numeric", "real"},
)  # fmt: skip


def _affinity(text: str) -> str:
    """Return SQLite's own affinity, `written` for a date, time or JSON, and `any` where a column has no type."""
    upper = text.upper()
    if not upper or upper == "ANY":
        return "any"
    if re.search(r"DATE|TIME|JSON|INTERVAL", upper):
        return "written"
    for parts, affinity in _AFFINITIES:
        if any(part in upper for part in parts):
            return affinity
    return "numeric"


_AFFINITIES = (
    (("INT",), "integer"),
    (("CHAR", "CLOB", "TEXT"), "text"),
    (("BLOB",), "blob"),
    (("REAL", "FLOA", "DOUB"), "real"),
)
