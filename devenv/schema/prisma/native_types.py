"""Which column type Prisma's migrations make of a field, per database: the defaults, and `@db.*`.

Pure. Must not know models. Invariant: types are in the database's own words, as its catalogue shows them.
"""

from collections.abc import Mapping

from devenv.schema.ir import Dialect

PROVIDERS: Mapping[str, Dialect] = {
    "postgresql": Dialect.POSTGRESQL,
    "postgres": Dialect.POSTGRESQL,
    "mysql": Dialect.MYSQL,
    "sqlite": Dialect.SQLITE,
}

DEFAULTS: Mapping[Dialect, Mapping[str, str]] = {
    Dialect.POSTGRESQL: {
        "String": "text",
        "Boolean": "boolean",
        "Int": "integer",
        "BigInt": "bigint",
        "Float": "double precision",
        "Decimal": "numeric(65,30)",
        "DateTime": "timestamp(3) without time zone",
        "Json": "jsonb",
        "Bytes": "bytea",
    },
    Dialect.MYSQL: {
        "String": "varchar(191)",
        "Boolean": "tinyint(1)",
        "Int": "int",
        "BigInt": "bigint",
        "Float": "double",
        "Decimal": "decimal(65,30)",
        "DateTime": "datetime(3)",
        "Json": "json",
        "Bytes": "longblob",
    },
    Dialect.SQLITE: {
        "String": "TEXT",
        "Boolean": "BOOLEAN",
        "Int": "INTEGER",
        "BigInt": "BIGINT",
        "Float": "REAL",
        "Decimal": "DECIMAL",
        "DateTime": "DATETIME",
        "Json": "JSONB",
        "Bytes": "BLOB",
    },
}

# `{}` is where the arguments go, brackets included.
_NATIVE: Mapping[Dialect, Mapping[str, str]] = {
    Dialect.POSTGRESQL: {
        "Text": "text",
        "Char": "character{}",
        "VarChar": "character varying{}",
        "Bit": "bit{}",
        "VarBit": "bit varying{}",
        "Uuid": "uuid",
        "Xml": "xml",
        "Inet": "inet",
        "Citext": "citext",
        "Boolean": "boolean",
        "Integer": "integer",
        "Int": "integer",
        "SmallInt": "smallint",
        "BigInt": "bigint",
        "Oid": "oid",
        "DoublePrecision": "double precision",
        "Real": "real",
        "Decimal": "numeric{}",
        "Money": "money",
        "Timestamp": "timestamp{} without time zone",
        "Timestamptz": "timestamp{} with time zone",
        "Date": "date",
        "Time": "time{} without time zone",
        "Timetz": "time{} with time zone",
        "Json": "json",
        "JsonB": "jsonb",
        "ByteA": "bytea",
    },
    Dialect.MYSQL: {
        "Char": "char{}",
        "VarChar": "varchar{}",
        "TinyText": "tinytext",
        "Text": "text",
        "MediumText": "mediumtext",
        "LongText": "longtext",
        "Bit": "bit{}",
        "TinyInt": "tinyint{}",
        "UnsignedTinyInt": "tinyint{} unsigned",
        "SmallInt": "smallint{}",
        "UnsignedSmallInt": "smallint{} unsigned",
        "MediumInt": "mediumint{}",
        "UnsignedMediumInt": "mediumint{} unsigned",
        "Int": "int{}",
        "UnsignedInt": "int{} unsigned",
        "BigInt": "bigint{}",
        "UnsignedBigInt": "bigint{} unsigned",
        "Year": "year",
        "Float": "float",
        "Double": "double",
        "Decimal": "decimal{}",
        "DateTime": "datetime{}",
        "Date": "date",
        "Time": "time{}",
        "Timestamp": "timestamp{}",
        "Json": "json",
        "Binary": "binary{}",
        "VarBinary": "varbinary{}",
        "TinyBlob": "tinyblob",
        "Blob": "blob",
        "MediumBlob": "mediumblob",
        "LongBlob": "longblob",
    },
    Dialect.SQLITE: {},
}

# PostgreSQL's own lengths of one, which its catalogue always shows.
_LENGTH_ONE = frozenset({"Char", "Bit"})


def native_type(dialect: Dialect, name: str, arguments: tuple[str, ...]) -> str:
    """Return the type that `@db.NAME(arguments)` stands for; one that is not known here stands for itself."""
    given = arguments or (("1",) if name in _LENGTH_ONE and dialect is Dialect.POSTGRESQL else ())
    brackets = f"({','.join(given)})" if given else ""
    pattern = _NATIVE[dialect].get(name)
    return pattern.replace("{}", brackets) if pattern is not None else f"{name.lower()}{brackets}"
