"""What a Prisma schema asks of its database: tables, columns, enums, keys, indexes.

Pure. Must not know files. Invariant: what Prisma's own engine creates from the schema has no difference to it. Client
side values (`uuid()`, `cuid()`, `@updatedAt`) are no defaults, and a list column may be NULL: Prisma makes it so.
"""

from collections.abc import Iterator, Mapping
from pathlib import PurePath

from devenv.schema.ir import Column, Dialect, Enum, ForeignKey, Index, Schema, Table
from devenv.schema.ports import CannotLook
from devenv.schema.prisma.model import (
    Arity,
    Attribute,
    Call,
    Field,
    Model,
    ModelKind,
    PrismaEnum,
    PrismaSchema,
    Value,
    Word,
)
from devenv.schema.prisma.native_types import DEFAULTS, PROVIDERS, native_type
from devenv.schema.prisma.parser import key_fields, name_fields

_CLIENT_SIDE = frozenset({"uuid", "cuid", "nanoid", "ulid", "auto"})
_LONGEST_NAME = 63  # PostgreSQL cuts longer ones in silence; MySQL takes one more, and refuses what is longer
_DEFAULT_SCHEMAS = {Dialect.POSTGRESQL: "public", Dialect.SQLITE: "main"}


def to_schema(prisma: PrismaSchema, *, default_schema: str = "") -> Schema:
    """Return what the database should have; `default_schema` is the one that the URL asks for, if not `public`.

    Raises CannotLook (`prisma-provider`) for a database that is not compared: MongoDB, SQL Server, CockroachDB.
    """
    dialect = find_dialect(prisma)
    translation = _Translation(prisma, dialect, default_schema or _DEFAULT_SCHEMAS.get(dialect, ""))
    return Schema(
        dialect=dialect,
        source=f"Prisma {'/'.join(PurePath(prisma.path).parts[-2:])}",
        default_schema=translation.default_schema,
        tables=tuple(translation.tables()),
        enums=tuple(translation.enums()),
        extensions=prisma.datasource.extensions if prisma.datasource else (),
    )


def find_dialect(prisma: PrismaSchema) -> Dialect:
    """Return the kind of database that the datasource is of. Raises CannotLook (`prisma-provider`)."""
    source = prisma.datasource
    if source is None:
        reason = f"{prisma.path} has no datasource, so that nothing says which kind of database it is for"
        raise CannotLook(reason, code="prisma-provider", place=prisma.path)
    dialect = PROVIDERS.get(source.provider)
    if dialect is None:
        reason = f"{prisma.path} is for {source.provider or 'no provider'}; only {', '.join(PROVIDERS)} are compared"
        raise CannotLook(reason, code="prisma-provider", place=source.place)
    return dialect


def list_ignored_tables(prisma: PrismaSchema) -> tuple[str, ...]:
    """Return the tables of `@@ignore` models: migrations make them, and the client never uses them."""
    return tuple(model.table for model in prisma.models if model.is_ignored)


class _Translation:
    """What every step needs: the schema, its names, and the database."""

    def __init__(self, prisma: PrismaSchema, dialect: Dialect, default_schema: str) -> None:
        self.prisma = prisma
        self.dialect = dialect
        self.default_schema = default_schema
        self.models = {model.name: model for model in prisma.models if model.kind is not ModelKind.TYPE}
        self.enums_by_name = {enum.name: enum for enum in prisma.enums}
        self.has_foreign_keys = prisma.datasource is not None and prisma.datasource.relation_mode != "prisma"

    def tables(self) -> Iterator[Table]:
        for model in self.models.values():
            yield self.table(model)
        yield from self.join_tables()

    def enums(self) -> Iterator[Enum]:
        if self.dialect is Dialect.POSTGRESQL:
            for enum in self.prisma.enums:
                values = tuple(value.stored for value in enum.values)
                yield Enum(name=enum.type, values=values, schema=self.schema_of(enum), place=enum.place)

    def schema_of(self, named: Model | PrismaEnum) -> str:
        return "" if named.schema == self.default_schema else named.schema

    def table(self, model: Model) -> Table:
        is_view = model.kind is ModelKind.VIEW  # its keys are for the client alone
        return Table(
            name=model.table,
            schema=self.schema_of(model),
            columns=tuple(self.column(field) for field in model.fields if field.type not in self.models),
            primary_key=() if is_view else self.primary_key(model),
            indexes=() if is_view else tuple(self.indexes(model)),
            foreign_keys=() if is_view or not self.has_foreign_keys else tuple(self.foreign_keys(model)),
            is_view=is_view,
            place=model.place,
        )

    def column(self, field: Field) -> Column:
        enum = self.enums_by_name.get(field.type)
        is_list = field.arity is Arity.LIST
        element = self.enum_type(enum) if enum else self.scalar_type(field)
        return Column(
            name=field.column,
            type=f"{element}[]" if is_list and self.dialect is Dialect.POSTGRESQL else element,
            nullable=field.arity is not Arity.REQUIRED,
            is_filled=_is_filled(field),
            is_array=is_list,
            enum=self.enum_title(enum) if enum and self.dialect is Dialect.POSTGRESQL else "",
            values=tuple(value.stored for value in enum.values) if enum and self.dialect is Dialect.MYSQL else (),
            place=field.place,
        )

    def enum_type(self, enum: PrismaEnum) -> str:
        if self.dialect is Dialect.POSTGRESQL:
            return self.enum_title(enum)
        if self.dialect is Dialect.SQLITE:
            return "TEXT"
        values = ",".join("'" + value.stored.replace("'", "''") + "'" for value in enum.values)
        return f"enum({values})"

    def enum_title(self, enum: PrismaEnum) -> str:
        schema = self.schema_of(enum)
        return f"{schema}.{enum.type}" if schema else enum.type

    def scalar_type(self, field: Field) -> str:
        if field.unsupported:
            return field.unsupported
        native = field.native
        if native is None:
            return DEFAULTS[self.dialect].get(field.type, field.type)
        arguments = tuple(item.value.text for item in native.arguments if isinstance(item.value, Word))
        return native_type(self.dialect, native.name.rpartition(".")[2], arguments)

    def primary_key(self, model: Model) -> tuple[str, ...]:
        whole = model.attribute("id")
        if whole is not None:
            return _columns(model, key_fields(whole))
        return tuple(field.column for field in model.fields if field.attribute("id"))

    def indexes(self, model: Model) -> Iterator[Index]:
        for field in model.fields:
            unique = field.attribute("unique")
            if unique is not None:
                name = unique.text("map")
                yield Index(columns=(field.column,), unique=True, partial=_is_partial(unique), name=name)
        for attribute in model.attributes:
            if attribute.name in {"unique", "index", "fulltext"}:
                yield Index(
                    columns=_columns(model, key_fields(attribute)),
                    unique=attribute.name == "unique",
                    partial=_is_partial(attribute),
                    name=attribute.text("map"),
                )

    def foreign_keys(self, model: Model) -> Iterator[ForeignKey]:
        for field in model.fields:
            relation, target = field.attribute("relation"), self.models.get(field.type)
            names = tuple(name_fields(relation.get("fields"))) if relation else ()
            if relation and target and names:
                yield ForeignKey(
                    columns=_columns(model, names),
                    table=target.table,
                    targets=_columns(target, tuple(name_fields(relation.get("references")))),
                    schema=self.schema_of(target),
                    name=relation.text("map"),
                )

    def join_tables(self) -> Iterator[Table]:
        """Give the tables of many-to-many relations that no model stands for."""
        ends: dict[tuple[str, str, str], list[Field]] = {}
        for model in self.models.values():
            for field in model.fields:
                if field.arity is Arity.LIST and field.type in self.models:
                    first, second = sorted((model.name, field.type))
                    key = first, second, _relation_name(field) or f"{first}To{second}"
                    ends.setdefault(key, []).append(field)
        for (first, second, name), fields in ends.items():
            if len(fields) == 2:  # a one-to-many relation has a list at one end only
                yield self.join_table(name, self.models[first], self.models[second], fields[0].place)

    def join_table(self, name: str, first: Model, second: Model, place: str) -> Table:
        # Prisma 6 makes a primary key of both columns on PostgreSQL, others a unique index; either will do.
        indexes = (Index(columns=("A", "B"), unique=True), Index(columns=("B",)))
        sides = (("A", first), ("B", second))
        foreign_keys = tuple(
            ForeignKey(
                columns=(column,), table=model.table, targets=self.primary_key(model), schema=self.schema_of(model)
            )
            for column, model in sides
        )
        return Table(
            name=f"_{name}"[:_LONGEST_NAME],
            schema=self.schema_of(first),
            columns=tuple(
                Column(name=column, type=self.key_type(model), nullable=False, place=place) for column, model in sides
            ),
            indexes=indexes,
            foreign_keys=foreign_keys if self.has_foreign_keys else (),
            place=place,
        )

    def key_type(self, model: Model) -> str:
        keys = self.primary_key(model)
        return next((self.column(field).type for field in model.fields if field.column in keys), "")


def _relation_name(field: Field) -> str:
    relation = field.attribute("relation")
    return relation.text("name", 0) if relation is not None else ""


def _columns(model: Model, names: tuple[str, ...]) -> tuple[str, ...]:
    by_name: Mapping[str, Field] = {field.name: field for field in model.fields}
    return tuple(by_name[name].column if name in by_name else name for name in names)


def _is_filled(field: Field) -> bool:
    default = field.attribute("default")
    value: Value | None = default.get("value", 0) if default is not None else None
    return value is not None and not (isinstance(value, Call) and value.name in _CLIENT_SIDE)


def _is_partial(attribute: Attribute) -> bool:
    return attribute.get("where") is not None
