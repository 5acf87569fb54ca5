"""Alembic's graph, read from files as people write them, and as they break them."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.domain.findings import Severity
from devenv.schema.ports import CannotLook
from devenv.schema.records.alembic import read_config, read_revisions
from devenv.schema.records.files import FileSet
from devenv.schema.records.state import Migration, ToolPlace

LINE = {"a.py": ("a", None), "b.py": ("b", "a"), "c.py": ("c", "b")}


def place(root: Path, config: str = "") -> ToolPlace:
    """Return a place whose revisions are in `db/versions`."""
    return ToolPlace(
        tool="alembic",
        folder=str(root / "db/versions"),
        config=str(root / config) if config else "",
        root=str(root),
    )


def write(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files below `root`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return root


def revision(id_: str, down: object = None, body: str = "pass", **fields: object) -> str:
    """Return a revision as Alembic's template writes it."""
    lines = [f"{name} = {value!r}" for name, value in {"revision": id_, "down_revision": down, **fields}.items()]
    return "\n".join(
        (f'"""make {id_}\n\nRevision ID: {id_}\n"""', *lines, "", "def upgrade():", textwrap.indent(body, "    "))
    )


def read(root: Path, **revisions: str | bytes) -> FileSet:
    """Read a folder with these revisions, named without their `.py`."""
    return read_revisions(place(write(root, {f"db/versions/{name}.py": text for name, text in revisions.items()})))


def ids(files: FileSet) -> list[str]:
    """Return the ids of what was read, in its order."""
    return [one.id for one in files.migrations]


def texts(files: FileSet) -> list[str]:
    """Return what was found."""
    return [finding.text for finding in files.findings]


def made(root: Path, body: str) -> Migration:
    """Return the migration whose `upgrade` has this body."""
    (migration,) = read(root, a=revision("a", body=textwrap.dedent(body).strip("\n"))).migrations
    return migration


# What the files say


def test_order_is_that_of_the_graph_when_names_sort_otherwise(tmp_path: Path) -> None:
    """The oldest comes first, whatever its file is called."""
    files = read(tmp_path, a_last=revision("c", "b"), b=revision("a"), c=revision("b", "a"))
    assert ids(files) == ["a", "b", "c"]
    assert [one.title for one in files.migrations] == ["make a", "make b", "make c"]
    assert files.findings == ()


def test_fields_are_read_when_annotated_or_aliased(tmp_path: Path) -> None:
    """Newer templates annotate, and some projects give the id by another name."""
    files = read(
        tmp_path,
        a="ID = 'a'\nrevision: str = ID\ndown_revision: Union[str, None] = None\n",
        b="revision: str = 'b'\ndown_revision: Union[str, Sequence[str], None] = 'a'\nbranch_labels = None\n",
    )
    assert ids(files) == ["a", "b"]
    assert files.findings == ()


def test_merge_has_one_head_when_it_builds_on_two(tmp_path: Path) -> None:
    """A tuple of parents joins branches."""
    files = read(tmp_path, a=revision("a"), b=revision("b", "a"), c=revision("c", "a"), d=revision("d", ("b", "c")))
    assert ids(files)[0] == "a"
    assert ids(files)[-1] == "d"
    assert files.findings == ()


def test_several_heads_are_an_error_when_nothing_joins_them(tmp_path: Path) -> None:
    """Both are named, with their titles and files."""
    files = read(tmp_path, a=revision("a"), b=revision("b", "a"), c=revision("c", "a"))
    (found,) = files.findings
    assert (found.id, found.severity) == ("alembic-heads", Severity.ERROR)
    assert found.text == "Alembic has 2 heads: b (make b), c (make c); `upgrade head` will fail"
    assert found.details == ("db/versions/b.py", "db/versions/c.py")
    assert (found.place, found.fix) == ("db/versions/c.py:6", "alembic merge heads")


def test_several_heads_are_meant_when_each_branch_has_a_label(tmp_path: Path) -> None:
    """All of them are upgraded at once, then."""
    files = read(
        tmp_path,
        a=revision("a", branch_labels=("shop",)),
        b=revision("b", "a"),
        c=revision("c", branch_labels="audit"),
    )
    assert files.findings == ()
    assert files.apply == "alembic upgrade heads"


def test_several_heads_are_an_error_when_one_branch_has_no_label(tmp_path: Path) -> None:
    """A label on the common trunk tells nothing apart."""
    files = read(tmp_path, a=revision("a", branch_labels="shop"), b=revision("b", "a"), c=revision("c", "a"))
    assert [finding.id for finding in files.findings] == ["alembic-heads"]


def test_dependency_runs_first_but_joins_nothing_when_named(tmp_path: Path) -> None:
    """`depends_on` orders, by id or by label; its branch keeps its head."""
    files = read(
        tmp_path,
        a=revision("a", depends_on="audit", branch_labels="shop"),
        z=revision("z", branch_labels=("audit",)),
    )
    assert ids(files) == ["z", "a"]
    assert files.apply == "alembic upgrade heads"


def test_parent_is_found_when_its_id_is_shortened(tmp_path: Path) -> None:
    """Alembic takes the beginning of an id where that is enough."""
    files = read(tmp_path, a=revision("3b5b37687fb7"), b=revision("b", "3b5b37"))
    assert ids(files) == ["3b5b37687fb7", "b"]
    assert files.findings == ()


def test_ancestors_count_as_applied_when_a_revision_is_recorded(tmp_path: Path) -> None:
    """The record has heads alone; what they depend on has run as well."""
    files = read(tmp_path, a=revision("a"), b=revision("b", "a"), c=revision("c", "b"), z=revision("z", depends_on="b"))
    assert files.imply(frozenset({"b"})).applied == {"a", "b"}
    assert files.imply(frozenset({"z"})).applied == {"a", "b", "z"}


def test_nothing_is_pending_when_only_unknown_revisions_are_recorded(tmp_path: Path) -> None:
    """Nobody knows what has run: the unknown revision is the whole story."""
    files = read(tmp_path, a=revision("a"), b=revision("b", "a"))
    implied = files.imply(frozenset({"fffff"}))
    assert (implied.applied, implied.moot) == (frozenset(), frozenset({"a", "b"}))


# Mistakes of the files


def test_duplicate_is_an_error_when_two_files_have_one_id(tmp_path: Path) -> None:
    """Alembic warns and takes one of them."""
    files = read(tmp_path, a=revision("a"), copy=revision("a"))
    (found,) = files.findings
    assert found.id == "alembic-duplicate:a"
    assert found.text == "two Alembic migrations are called a: db/versions/a.py and db/versions/copy.py"


def test_missing_parent_is_an_error_with_its_line(tmp_path: Path) -> None:
    """Version control is where a lost file is looked for."""
    files = read(tmp_path, b=revision("b", "gone"))
    (found,) = files.findings
    assert found.id == "alembic-missing-parent:b"
    assert found.text == "Alembic revision b (make b) builds on gone, and no file has that revision"
    assert (found.place, found.fix) == ("db/versions/b.py:6", "git log --all -Sgone -- db/versions")
    assert ids(files) == ["b"]


def test_cycle_is_an_error_and_every_revision_stays(tmp_path: Path) -> None:
    """No order is right, and none is lost."""
    files = read(tmp_path, a=revision("a", "c"), b=revision("b", "a"), c=revision("c", "b"))
    (found,) = files.findings
    assert found.id == "alembic-cycle"
    assert found.text.startswith("Alembic revisions build on each other in a circle: ")
    assert sorted(ids(files)) == ["a", "b", "c"]


def test_revision_that_builds_on_itself_is_a_cycle(tmp_path: Path) -> None:
    """A slip of the keyboard."""
    assert [finding.id for finding in read(tmp_path, a=revision("a", "a")).findings] == ["alembic-cycle"]


def test_graph_stays_whole_when_a_file_is_no_python(tmp_path: Path) -> None:
    """The mistake has its line; the file still has its place between the others."""
    broken = 'revision = "b"\ndown_revision = "a"\ndef upgrade(:\n'
    files = read(tmp_path, a=revision("a"), b=broken, c=revision("c", "b"))
    assert ids(files) == ["a", "b", "c"]
    (found,) = files.findings
    assert found.id == "alembic-syntax:b.py"
    assert found.text.startswith("the migration db/versions/b.py:3 is no valid Python: ")
    assert found.place == "db/versions/b.py:3"


@pytest.mark.parametrize("content", [b"\0\1\2\xff", b"\xff\xfe\x00", b"(" * 5000, b"revision = 'b\n"])
def test_finding_names_the_file_when_it_is_binary(tmp_path: Path, content: bytes) -> None:
    """Whatever the parser makes of it, it is one finding."""
    files = read(tmp_path, a=revision("a"), b=content)
    assert ids(files) == ["a"]
    assert [finding.id for finding in files.findings] == ["alembic-syntax:b.py"]


def test_check_cannot_be_made_when_a_file_cannot_be_read(tmp_path: Path) -> None:
    """Permissions do not hold root, so that the file is one whose reading fails for everybody."""
    write(tmp_path, {"db/versions/a.py": revision("a")})
    (tmp_path / "db/versions/b.py").symlink_to("/proc/self/mem")
    files = read_revisions(place(tmp_path))
    (found,) = files.findings
    assert (found.id, found.severity) == ("alembic-unreadable:b.py", Severity.UNKNOWN)
    assert found.text == "the migration db/versions/b.py cannot be read: Input/output error"
    assert ids(files) == ["a"]


def test_folders_and_broken_links_are_passed_over(tmp_path: Path) -> None:
    """They are no files, whatever they are called."""
    (tmp_path / "db/versions/odd.py").mkdir(parents=True)
    (tmp_path / "db/versions/lost.py").symlink_to(tmp_path / "nowhere")
    assert ids(read(tmp_path, a=revision("a"))) == ["a"]


def test_remarks_of_the_parser_are_not_ours_when_a_file_has_odd_escapes(tmp_path: Path) -> None:
    """Python warns of an odd escape sequence; that is the user's business."""
    assert ids(read(tmp_path, a='revision = "a"\npattern = "\\d"\n')) == ["a"]


def test_files_without_a_revision_are_passed_over(tmp_path: Path) -> None:
    """Modules for all revisions stand beside them."""
    files = read(tmp_path, a=revision("a"), tools="def f(): pass\n", __init__="revision = 'x'\n")
    assert ids(files) == ["a"]
    assert files.findings == ()


def test_new_project_has_no_revisions_when_version_control_kept_no_folder(tmp_path: Path) -> None:
    """`versions` is made with the first revision."""
    write(tmp_path, {"db/env.py": ""})
    assert read_revisions(place(tmp_path)).migrations == ()


def test_missing_folder_cannot_be_looked_at(tmp_path: Path) -> None:
    """The whole script folder is gone."""
    with pytest.raises(CannotLook, match=r"the migrations folder .*/db/versions does not exist"):
        read_revisions(place(tmp_path))


# Its configuration


@pytest.mark.parametrize(
    ("ini", "folder"),
    [
        ("[alembic]\nscript_location = db\n", "db"),
        ("[alembic]\nscript_location = %(here)s/db\n", "db"),
        ("[alembic]\nbase = db\nscript_location = %(here)s/%(base)s/x%%y\n", "db/x%y"),
        ("[alembic]\nscript_location: ./db/\n", "db"),
        ("[alembic]\nscript_location = app.storage:db\n", "app/storage/db"),
        ("[alembic]\nscript_location = lib1:db\n", "src/lib1/db"),
    ],
)
def test_script_location_is_found_however_it_is_written(tmp_path: Path, ini: str, folder: str) -> None:
    """From the file, from the folder, or from a package of the repository."""
    (tmp_path / "app/storage/db").mkdir(parents=True)
    (tmp_path / "src/lib1/db").mkdir(parents=True)
    write(tmp_path, {"alembic.ini": ini})
    (scripts,) = read_config(tmp_path / "alembic.ini", tmp_path)
    assert scripts.folder == tmp_path / folder
    assert scripts.versions == (tmp_path / folder / "versions",)


@pytest.mark.parametrize(
    "ini",
    [
        "version_locations = db/one db/two",
        "version_locations = db/one:db/two\nversion_path_separator = os",
        "version_locations = db/one;db/two\nversion_path_separator = ;",
        "version_locations =\n  db/one\n  db/two\npath_separator = newline",
        "version_locations = %(here)s/db/one, %(here)s/db/two",
    ],
)
def test_version_locations_are_split_as_alembic_splits_them(tmp_path: Path, ini: str) -> None:
    """Its separator has changed over the years."""
    write(tmp_path, {"alembic.ini": f"[alembic]\nscript_location = db\n{ini}\n"})
    (scripts,) = read_config(tmp_path / "alembic.ini", tmp_path)
    assert scripts.versions == (tmp_path / "db/one", tmp_path / "db/two")


def test_pyproject_says_where_revisions_are(tmp_path: Path) -> None:
    """Alembic 1.16 reads it."""
    text = '[tool.alembic]\nscript_location = "%(here)s/db"\nversion_locations = ["%(here)s/a", "b"]\n'
    write(tmp_path, {"pyproject.toml": text})
    (scripts,) = read_config(tmp_path / "pyproject.toml", tmp_path)
    assert scripts.versions == (tmp_path / "a", tmp_path / "b")


def test_alembic_ini_leaves_the_rest_to_pyproject(tmp_path: Path) -> None:
    """The `pyproject` template keeps only the database in alembic.ini."""
    write(
        tmp_path,
        {
            "alembic.ini": "[alembic]\nsqlalchemy.url = sqlite:///x.db\n",
            "pyproject.toml": '[tool.alembic]\nscript_location = "db"\n',
        },
    )
    assert [one.folder for one in read_config(tmp_path / "alembic.ini", tmp_path)] == [tmp_path / "db"]


def test_flask_migrate_keeps_its_ini_beside_env_py(tmp_path: Path) -> None:
    """It names no location, and its commands are Flask's."""
    write(
        tmp_path,
        {
            "migrations/alembic.ini": "[alembic]\n",
            "migrations/env.py": "from flask import current_app\n",
            "migrations/versions/a.py": revision("a"),
        },
    )
    (scripts,) = read_config(tmp_path / "migrations/alembic.ini", tmp_path)
    assert scripts.folder == tmp_path / "migrations"
    files = read_revisions(ToolPlace(tool="alembic", folder=str(scripts.versions[0]), root=str(tmp_path)))
    assert (files.apply, files.make) == ("flask db upgrade", "flask db migrate")


def test_every_section_with_a_location_is_a_place(tmp_path: Path) -> None:
    """`alembic -n other` uses one of them."""
    write(tmp_path, {"alembic.ini": "[alembic]\nscript_location = a\n[other]\nscript_location = b\n[loggers]\nk = v\n"})
    assert [one.folder.name for one in read_config(tmp_path / "alembic.ini", tmp_path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("alembic.ini", b"no section = 1\n"),
        ("alembic.ini", b"\0\xff\xfe"),
        ("alembic.ini", b"[alembic]\nsqlalchemy.url = x\n"),
        ("pyproject.toml", b"[tool.alembic\n"),
        ("pyproject.toml", b"\xff\xfe"),
        ("pyproject.toml", b"tool = 1\n"),
        ("pyproject.toml", b"[tool.alembic]\n"),
    ],
)
def test_configuration_says_nothing_when_broken(tmp_path: Path, name: str, content: bytes) -> None:
    """What cannot be read names no place; nothing is raised."""
    write(tmp_path, {name: content})
    assert read_config(tmp_path / name, tmp_path) == ()


def test_revisions_of_all_locations_are_one_graph(tmp_path: Path) -> None:
    """Recursive locations reach into folders of years."""
    write(
        tmp_path,
        {
            "alembic.ini": "[alembic]\nscript_location = db\nversion_locations = db/versions db/more\n"
            "recursive_version_locations = true\n",
            "db/versions/2024/a.py": revision("a"),
            "db/versions/2025/b.py": revision("b", "a"),
            "db/more/c.py": revision("c", "b"),
        },
    )
    files = read_revisions(place(tmp_path, "alembic.ini"))
    assert ids(files) == ["a", "b", "c"]
    assert files.findings == ()


def test_record_has_the_name_that_env_py_gives_it(tmp_path: Path) -> None:
    """A project may share its database with another one of Alembic."""
    write(
        tmp_path,
        {
            "db/env.py": "context.configure(c, version_table='shop_version', version_table_schema=\"ops\")\n",
            "db/versions/a.py": revision("a"),
        },
    )
    files = read_revisions(place(tmp_path))
    assert (files.table, files.table_schema) == ("shop_version", "ops")


# What a revision makes


def test_table_is_created_when_op_creates_it(tmp_path: Path) -> None:
    """With the line of the call; a schema is left out."""
    body = """
    orders = op.create_table("Orders", sa.Column("id", sa.Integer), schema="app")
    op.create_table(table_name="items")
    """
    found = made(tmp_path, body)
    assert found.creates == {"orders", "items"}
    assert dict(found.lines) == {"orders": 9, "items": 10}


def test_columns_are_added_when_op_adds_them(tmp_path: Path) -> None:
    """Directly, in a batch, or by a new name."""
    body = """
    op.add_column("users", sa.Column("age", sa.Integer))
    op.add_column(table_name="users", column=sa.Column("email", sa.String))
    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("Nick", sa.String))
        batch_op.alter_column("a", new_column_name="b")
        batch_op.create_index("i", ["nick"])
    op.alter_column("users", "c", new_column_name="d")
    op.alter_column("users", "e", nullable=False)
    """
    found = made(tmp_path, body)
    assert found.adds == {("users", column) for column in ("age", "email", "nick", "b", "d")}
    assert found.creates == set()
    assert found.lines["users.nick"] == 12


def test_table_is_created_when_renamed_or_made_by_sql(tmp_path: Path) -> None:
    """`execute` is read as SQL, through `sa.text` too."""
    body = '''
    op.rename_table("old", "new")
    op.execute("ALTER TABLE users ADD COLUMN age int")
    op.execute(sa.text("""
        CREATE TABLE plain (id int);
        CREATE TABLE second (id int);
    """))
    '''
    found = made(tmp_path, body)
    assert found.creates == {"new", "plain", "second"}
    assert found.adds == {("users", "age")}
    assert (found.lines["plain"], found.lines["second"]) == (12, 13)


def test_branches_and_constants_count_when_upgrade_uses_them(tmp_path: Path) -> None:
    """What stands inside of `if`, `for`, `try` and functions may run."""
    text = (
        'revision = "a"\nTABLE = "orders"\n'
        "def upgrade():\n    if True:\n        op.create_table(TABLE)\n    else:\n        op.create_table('b')\n"
        "    for x in y:\n        op.add_column(TABLE, sa.Column('c'))\n"
        "    try:\n        op.create_table('d')\n    finally:\n        op.create_table('e')\n    _more()\n"
        "def _more():\n    op.create_table('f')\n"
        "def downgrade():\n    op.create_table('ghost')\n"
    )
    (found,) = read(tmp_path, a=text).migrations
    assert found.creates == {"orders", "b", "d", "e", "f"}
    assert found.adds == {("orders", "c")}


def test_nothing_is_made_when_names_are_computed(tmp_path: Path) -> None:
    """What only running the code would tell is left out, without stumbling."""
    body = """
    op.create_table(f"{prefix}_x")
    op.create_table()
    op.add_column(*args)
    op.add_column("t", column)
    op.execute(f"CREATE TABLE {x} (id int)")
    with lock() as (a, b):
        a.add_column(1)
    op.rename_table("a")
    """
    found = made(tmp_path, body)
    assert (found.creates, found.adds) == (frozenset(), frozenset())
