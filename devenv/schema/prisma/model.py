"""What a schema.prisma says, as values: its datasource, generators, models and enums, with the line of each.

Pure. Must not know how text is read, nor what a database makes of it. Invariant: names are the schema's own; `@map` and
`@@map` are followed by `column`, `table` and `stored` alone.
"""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A bare word or number: `Cascade`, `true`, `1.5`, the name of a field."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call, such as `now()` or `title(sort: Desc)`; an object literal is one without a name."""

    name: str
    arguments: tuple["Argument", ...] = ()


Value = str | Word | Call | tuple["Value", ...]
"""A plain `str` is a quoted one; a tuple is a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument; `name` is '' for a positional one."""

    value: Value
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute without its `@`: `id`, `map`, `db.VarChar`."""

    name: str
    arguments: tuple[Argument, ...] = ()
    line: int = 0

    def get(self, name: str, position: int | None = None) -> Value | None:
        """Return the argument of that name, or the positional one at `position`."""
        for argument in self.arguments:
            if argument.name == name:
                return argument.value
        positional = [argument.value for argument in self.arguments if not argument.name]
        return positional[position] if position is not None and position < len(positional) else None

    def text(self, name: str, position: int | None = None) -> str:
        """Return a quoted argument, '' where there is none."""
        value = self.get(name, position)
        return value if isinstance(value, str) else ""


class Arity(StrEnum):
    """How many values a field holds."""

    REQUIRED = ""
    OPTIONAL = "?"
    LIST = "[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field; `type` is a scalar, an enum or a model, `unsupported` the database's own type where Prisma has none."""

    name: str
    type: str
    arity: Arity = Arity.REQUIRED
    unsupported: str = ""
    attributes: tuple[Attribute, ...] = ()
    place: str = ""

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of that name."""
        return _find(self.attributes, name)

    @property
    def native(self) -> Attribute | None:
        """Return the native type: `@db.VarChar(10)`; its prefix is the name of the datasource."""
        return next((attribute for attribute in self.attributes if "." in attribute.name), None)

    @property
    def column(self) -> str:
        """Return its name in the database."""
        return _mapped(self.attributes, "map", self.name)

    def describe_type(self) -> str:
        """Return the type as the schema writes it."""
        written = f'Unsupported("{self.unsupported}")' if self.unsupported else self.type
        return f"{written}{self.arity}"


class ModelKind(StrEnum):
    """What a block with fields stands for; a `type` is a part of a document and no table."""

    MODEL = "model"
    VIEW = "view"
    TYPE = "type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model, view or composite type."""

    name: str
    kind: ModelKind = ModelKind.MODEL
    fields: tuple[Field, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    place: str = ""

    def attribute(self, name: str) -> Attribute | None:
        """Return the first block attribute of that name."""
        return _find(self.attributes, name)

    def field(self, name: str) -> Field | None:
        """Return the field of that name."""
        return next((field for field in self.fields if field.name == name), None)

    @property
    def table(self) -> str:
        """Return its name in the database."""
        return _mapped(self.attributes, "map", self.name)

    @property
    def schema(self) -> str:
        """Return what `@@schema` says, '' without one."""
        return _mapped(self.attributes, "schema", "")

    @property
    def is_ignored(self) -> bool:
        """Tell whether the client leaves it out."""
        return self.attribute("ignore") is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumValue:
    """A value of an enum; `stored` is what the database holds."""

    name: str
    stored: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PrismaEnum:
    """An enum."""

    name: str
    values: tuple[EnumValue, ...] = ()
    attributes: tuple[Attribute, ...] = ()
    place: str = ""

    @property
    def type(self) -> str:
        """Return its name in the database."""
        return _mapped(self.attributes, "map", self.name)

    @property
    def schema(self) -> str:
        """Return what `@@schema` says, '' without one."""
        return _mapped(self.attributes, "schema", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Datasource:
    """Which database. Either `url_variable` (from `env("DATABASE_URL")`) or the literal `url`; Prisma 7 has neither."""

    name: str
    provider: str
    url: str = ""
    url_variable: str = ""
    relation_mode: str = "foreignKeys"
    schemas: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """A generator; `folder` is where the file that names it is, as relative outputs begin there."""

    name: str
    provider: str
    folder: str
    output: str = ""
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PrismaSchema:
    """A whole schema, of one file or of a folder; `path` is what was read."""

    path: str
    datasource: Datasource | None = None
    generators: tuple[Generator, ...] = ()
    models: tuple[Model, ...] = ()
    enums: tuple[PrismaEnum, ...] = ()


def _find(attributes: tuple[Attribute, ...], name: str) -> Attribute | None:
    return next((attribute for attribute in attributes if attribute.name == name), None)


def _mapped(attributes: tuple[Attribute, ...], name: str, default: str) -> str:
    found = _find(attributes, name)
    return (found.text("name", 0) if found is not None else "") or default
