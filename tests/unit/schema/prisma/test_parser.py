"""The parser of schema.prisma: all of the language that real schemas use, and a clear refusal of everything else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.schema.ports import CannotLook
from devenv.schema.prisma.model import Arity, Model, ModelKind, PrismaSchema
from devenv.schema.prisma.parser import parse_prisma, read_prisma

SHOP = Path(__file__).parents[3] / "support" / "prisma" / "shop.prisma"
WORDS = st.sampled_from(
    [
        *("model", "enum", "view", "type", "datasource", "generator", "A", "b", "Int", "String?", "[]", "[", "]", "{"),
        *("}", "(", ")", "@", "@@", "@id", "@@index", "@relation", ",", ":", "=", ".", "//", "/*", "*/", '"', '"x"'),
        *('"\\"', "1", "1.5", "-2", "\n", "\r\n", "\t", "é", "\0", "env", 'Unsupported("x")'),
    ]
)


def parse(text: str) -> PrismaSchema:
    """Read a schema that is called schema.prisma."""
    return parse_prisma(text, "schema.prisma")


def model_of(lines: str) -> Model:
    """Return a model with these lines."""
    return parse(f"model M {{\n{lines}\n}}").models[0]


def refusal(text: str) -> CannotLook:
    """Return why it is refused; fail where it is not."""
    problem = problem_of(text)
    assert problem is not None
    return problem


def problem_of(text: str) -> CannotLook | None:
    """Return why it is refused, None for a schema."""
    try:
        parse(text)
    except CannotLook as caught:
        return caught
    return None


def test_shop_is_read_whole_when_it_uses_the_whole_language() -> None:
    """The fixture has every construct that reaches PostgreSQL."""
    shop = read_prisma(SHOP)
    kinds = [model.kind for model in shop.models]
    assert (kinds.count(ModelKind.MODEL), kinds.count(ModelKind.VIEW), len(shop.enums)) == (77, 1, 16)


def test_datasource_is_read_when_its_url_is_a_variable() -> None:
    """The variable's name is kept, as its value is the service's."""
    source = read_prisma(SHOP).datasource
    assert source is not None
    assert (source.provider, source.url_variable, source.url) == ("postgresql", "DATABASE_URL", "")
    assert (source.schemas, source.extensions) == (("public", "billing"), ("citext",))


def test_datasource_is_read_when_its_url_is_written_out() -> None:
    """A literal URL and the relation mode are kept."""
    source = parse('datasource db {\n provider = "mysql"\n url = "mysql://h/d"\n relationMode = "prisma"\n}').datasource
    assert source is not None
    assert (source.url, source.url_variable, source.relation_mode) == ("mysql://h/d", "", "prisma")


def test_extension_is_named_as_in_the_database_when_it_is_mapped() -> None:
    """`uuidOssp(map: "uuid-ossp")` is the extension uuid-ossp."""
    source = parse('datasource db {\n extensions = [pg_trgm, uuidOssp(map: "uuid-ossp")]\n}').datasource
    assert source is not None
    assert source.extensions == ("pg_trgm", "uuid-ossp")


@pytest.mark.parametrize(
    ("written", "type_name", "arity"),
    [
        ("String", "String", Arity.REQUIRED),
        ("Int?", "Int", Arity.OPTIONAL),
        ("Json[]", "Json", Arity.LIST),
        ("M[]", "M", Arity.LIST),
    ],
)
def test_field_is_read_when_it_has_an_arity(written: str, type_name: str, arity: Arity) -> None:
    """One, perhaps one, or many."""
    found = model_of(f"f {written}").fields[0]
    assert (found.type, found.arity) == (type_name, arity)


def test_unsupported_type_is_kept_when_prisma_has_none() -> None:
    """The database's own words stand between the quotes."""
    found = model_of('place Unsupported("geometry(Point, 4326)")?').fields[0]
    assert (found.unsupported, found.arity) == ("geometry(Point, 4326)", Arity.OPTIONAL)


@pytest.mark.parametrize("mapped", ['@map("the_name")', '@map(name: "the_name")'])
def test_column_is_named_as_in_the_database_when_it_is_mapped(mapped: str) -> None:
    """`@map` takes its name with and without the word."""
    assert model_of(f"f Int {mapped}").fields[0].column == "the_name"


def test_arguments_are_read_when_they_span_lines() -> None:
    """An attribute that begins on the field's line may end on a later one."""
    found = model_of('f Int @default(\n  1, // one\n  map: "x"\n) @map("g")\n h Int')
    assert [one.name for one in found.fields] == ["f", "h"]
    assert found.fields[0].column == "g"


def test_remarks_are_passed_over_when_they_look_like_code() -> None:
    """Line comments, documentation and block comments hold nothing."""
    found = model_of('/// a String\n// b String\n/* c\nString */ d String @default("// no remark")')
    assert [one.name for one in found.fields] == ["d"]
    assert found.fields[0].place == "schema.prisma:5"


def test_words_are_names_when_they_are_keywords_elsewhere() -> None:
    """A field may be called `model` or `type`."""
    assert [one.name for one in model_of("model String\ntype String\nenum String").fields] == ["model", "type", "enum"]


def test_places_are_file_and_line_when_models_and_enums_are_read() -> None:
    """Findings point to where the code says it."""
    found = parse("\nmodel A {\n  id Int @id\n}\nenum E {\n  X\n}\n")
    assert (found.models[0].place, found.models[0].fields[0].place) == ("schema.prisma:2", "schema.prisma:3")
    assert found.enums[0].place == "schema.prisma:5"


def test_names_are_kept_when_lines_end_as_on_windows() -> None:
    """A carriage return is white space."""
    found = parse('enum E {\r\n  A\r\n  B @map("b")\r\n}\r\n')
    assert [(value.name, value.stored) for value in found.enums[0].values] == [("A", "A"), ("B", "b")]


def test_object_is_passed_over_when_an_index_is_partial() -> None:
    """Prisma 7 writes conditions as objects."""
    found = model_of('f Int\n@@index([f], where: { f: { gt: 1 }, g: raw("x") })')
    assert found.attributes[0].get("where") is not None


def test_folder_is_read_as_one_when_it_has_several_files(tmp_path: Path) -> None:
    """Files of a folder schema refer to each other, and each keeps its own lines."""
    (tmp_path / "models").mkdir()
    (tmp_path / "schema.prisma").write_text('datasource db {\n  provider = "sqlite"\n}\n')
    (tmp_path / "models" / "a.prisma").write_text("model A {\n  b B[]\n}\n")
    (tmp_path / "models" / "b.prisma").write_text("\nmodel B {\n  a A\n}\n")
    found = read_prisma(tmp_path)
    assert [model.place for model in found.models] == [
        f"{tmp_path}/models/a.prisma:1",
        f"{tmp_path}/models/b.prisma:2",
    ]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("model A {\n  id Int\n\n", 4, "in the middle of model A, begun at line 1"),
        ("model A {\n  id Int @default(\n", 3, "before the ( of line 2 is closed"),
        ('model A {\n  id Int @map("x\n}', 2, "a quoted text is not closed"),
        ("/* model A {", 1, "a comment is not closed"),
        ("model A {\n  id\n}", 2, "id in model A has no type"),
        ("model A {\n  id Int name String\n}", 2, "'name' needs a line of its own"),
        ("model A {\n  id: Int\n}", 2, "the type of id in model A was expected"),
        ("table A {\n}", 1, "'table' begins no block"),
        ("model A {\n  id Int\n}\n}", 4, "'}' stands where a block"),
        ("model A {\n  a Foo\n}", 2, "A.a has the unknown type Foo"),
        ("model A {\n  a Int\n  a Int\n}", 3, "A.a is defined twice, first at schema.prisma:2"),
        ("model A {\n}\nenum A {\n}", 3, "A is defined twice, first at schema.prisma:1"),
        ("enum E {\n  X\n  X\n}", 3, "E.X is defined twice"),
        ("datasource a {\n}\ndatasource b {\n}", 3, "datasource is defined twice"),
        ("model A {\n  a Int\n  @@index([b])\n}", 3, "@@index names b, which A lacks"),
        ("model A {\n  a A @relation(fields: [b], references: [a])\n}", 2, "names b, which A lacks"),
        ('model A {\n  a String @default("\\q")\n}', 2, "an escape"),
        (f"model A {{\n  a Int @default({'[' * 1000}", 2, "inside one another"),
        ("model A {\n  a §\n}", 2, "'§' has no meaning here"),
    ],
)
def test_schema_is_refused_with_its_line_when_it_is_broken(text: str, line: int, words: str) -> None:
    """Each mistake names where it is and what was expected."""
    caught = refusal(text)
    assert (caught.code, caught.place) == ("prisma-syntax", f"schema.prisma:{line}")
    assert words in caught.reason


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"model A {\n\x00\x01", "prisma-binary", "is binary"),
        (b"// caf\xe9\n", "prisma-binary", "not UTF-8: byte 0xe9 in line 1"),
    ],
)
def test_file_is_refused_when_it_is_no_text(tmp_path: Path, data: bytes, code: str, words: str) -> None:
    """A database file or an old encoding is told as such."""
    path = tmp_path / "schema.prisma"
    path.write_bytes(data)
    with pytest.raises(CannotLook, match=words) as caught:
        read_prisma(path)
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["schema.prisma", "."])
def test_path_is_refused_when_nothing_is_there(tmp_path: Path, name: str) -> None:
    """A missing file and an empty folder."""
    with pytest.raises(CannotLook) as caught:
        read_prisma(tmp_path / name)
    assert caught.value.code == "prisma-missing"


def test_mark_at_the_beginning_is_passed_over_when_an_editor_wrote_it(tmp_path: Path) -> None:
    """A byte order mark is no text."""
    path = tmp_path / "schema.prisma"
    path.write_bytes(b"\xef\xbb\xbfenum E {\n}\n")
    assert read_prisma(path).enums[0].name == "E"


@pytest.mark.parametrize(
    "text",
    ["[" * 5_000_000, '"' * 5_000_001, "/*" * 2_500_000, "model A {\n" + "@" * 5_000_000, "a" * 5_000_000],
    ids=["brackets", "quotes", "remarks", "attributes", "word"],
)
def test_five_megabytes_are_refused_when_they_are_no_schema(text: str) -> None:
    """Rubbish of any size is refused; quadratic time would be ended by the suite's own limit."""
    refusal(text)


@given(st.text(max_size=60) | st.lists(WORDS, max_size=30).map(" ".join))
def test_any_text_is_a_schema_or_is_refused(text: str) -> None:
    """No text is met by any other exception."""
    problem = problem_of(text)
    assert problem is None or (problem.code == "prisma-syntax" and problem.place.startswith("schema.prisma:"))


@given(st.integers(min_value=0, max_value=len(SHOP.read_text())))
def test_schema_cut_anywhere_is_a_schema_or_is_refused(length: int) -> None:
    """A file that was written half is told from one that is whole, and never a crash."""
    problem = problem_of(SHOP.read_text()[:length])
    assert problem is None or problem.code == "prisma-syntax"
