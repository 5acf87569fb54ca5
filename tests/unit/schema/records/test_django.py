"""Django's migrations, read from the folders of a project's own apps."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from devenv.domain.findings import Severity
from devenv.schema.records.django import read_apps
from devenv.schema.records.files import FileSet
from devenv.schema.records.reading import read_records
from devenv.schema.records.state import Migration, RecordState, ToolPlace
from tests.support.fakes_databases import MemoryDatabase

Pairs = tuple[tuple[str, str], ...]
TABLE = "CREATE TABLE django_migrations (id integer PRIMARY KEY, app text, name text, applied datetime);"


def migration(*operations: str, needs: Pairs = (), replaces: Pairs = ()) -> str:
    """Return a migration as `makemigrations` writes it."""
    return "\n".join(
        (
            "from django.db import migrations, models\n\n",
            "class Migration(migrations.Migration):",
            f"    replaces = {list(replaces)!r}",
            f"    dependencies = {list(needs)!r}",
            "    operations = [",
            *(f"{textwrap.indent(textwrap.dedent(one).strip(), ' ' * 8)}," for one in operations),
            "    ]",
        )
    )


def write(root: Path, files: Mapping[str, str | bytes]) -> ToolPlace:
    """Write a project's files, each folder of migrations with its `__init__.py`."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if path.parent.name == "migrations":
            (path.parent / "__init__.py").touch()
    return ToolPlace(tool="django", folder=str(root), config=str(root / "manage.py"), root=str(root))


def read(root: Path, files: Mapping[str, str | bytes]) -> FileSet:
    """Read the migrations of a project with these files."""
    return read_apps(write(root, files))


def state(root: Path, files: Mapping[str, str | bytes], *recorded: str) -> RecordState:
    """Hold a project with these files against a record of `app.name` rows."""
    live = MemoryDatabase(TABLE)
    live.fill("django_migrations", *((number, *one.split("."), None) for number, one in enumerate(recorded)))
    return read_records(write(root, files), live)


def shop(*names: str, app: str = "shop") -> dict[str, str]:
    """Return an app whose migrations follow each other."""
    needs: list[Pairs] = [(), *(((app, name),) for name in names)]
    return {f"{app}/migrations/{name}.py": migration(needs=above) for name, above in zip(names, needs, strict=False)}


def pending(found: RecordState) -> list[str]:
    """Return the ids of what is pending."""
    return [one.id for one in found.pending]


def made(root: Path, *operations: str) -> Migration:
    """Return the migration of the app `shop` with these operations."""
    (one,) = read(root, {"shop/migrations/0001_initial.py": migration(*operations)}).migrations
    return one


# The graph


def test_order_is_that_of_the_dependencies_across_apps(tmp_path: Path) -> None:
    """An app that sorts first may need another; those of installed packages do not count."""
    files = read(
        tmp_path,
        {
            "audit/migrations/0001_initial.py": migration(needs=(("shop", "0001_initial"), ("auth", "0012_x"))),
            "shop/migrations/0001_initial.py": migration(),
        },
    )
    assert [one.id for one in files.migrations] == ["shop.0001_initial", "audit.0001_initial"]
    assert files.findings == ()


@pytest.mark.parametrize(("name", "meant"), [("__first__", "shop.0001_a"), ("__latest__", "shop.0002_b")])
def test_first_and_latest_are_migrations_of_the_app(tmp_path: Path, name: str, meant: str) -> None:
    """Django resolves both by itself."""
    files = read(
        tmp_path, {**shop("0001_a", "0002_b"), "audit/migrations/0001_i.py": migration(needs=(("shop", name),))}
    )
    order = [one.id for one in files.migrations]
    assert order.index("audit.0001_i") > order.index(meant)
    assert files.findings == ()


def test_dependency_on_a_swappable_model_is_left_out(tmp_path: Path) -> None:
    """`migrations.swappable_dependency(...)` names what only the settings know."""
    text = migration().replace("dependencies = []", "dependencies = [migrations.swappable_dependency(X), ('shop', 1)]")
    assert read(tmp_path, {"shop/migrations/0001_a.py": text}).findings == ()


def test_several_latest_migrations_are_an_error(tmp_path: Path) -> None:
    """Two branches each added one; `migrate` refuses."""
    files = {**shop("0001_a", "0002_b"), "shop/migrations/0002_c.py": migration(needs=(("shop", "0001_a"),))}
    (found,) = read(tmp_path, files).findings
    assert (found.id, found.severity) == ("django-leaves:shop", Severity.ERROR)
    assert found.text == "the Django app shop has 2 latest migrations: 0002_b, 0002_c; `migrate` will fail"
    assert (found.fix, found.place) == ("python manage.py makemigrations --merge", "shop/migrations/0002_c.py")


def test_missing_parent_is_an_error_with_its_line(tmp_path: Path) -> None:
    """Only of the project's own apps: the others are not on disk."""
    (found,) = read(tmp_path, {"shop/migrations/0002_b.py": migration(needs=(("shop", "0001_a"),))}).findings
    assert found.id == "django-missing-parent:shop.0002_b"
    assert found.text == "Django migration shop.0002_b depends on shop.0001_a, and there is no such file"
    assert found.place == "shop/migrations/0002_b.py:4"


def test_cycle_is_an_error_and_every_migration_stays(tmp_path: Path) -> None:
    """No order is right, and none is lost."""
    files = read(
        tmp_path,
        {
            "shop/migrations/0001_a.py": migration(needs=(("audit", "0001_a"),)),
            "audit/migrations/0001_a.py": migration(needs=(("shop", "0001_a"),)),
        },
    )
    assert [finding.id for finding in files.findings] == ["django-cycle"]
    assert len(files.migrations) == 2


@pytest.mark.parametrize("content", [b"class Migration(:\n", b"\0\1\xff"])
def test_graph_stays_whole_when_a_file_is_no_python(tmp_path: Path, content: bytes) -> None:
    """The file is still there, and what builds on it does not miss it."""
    files = {
        "shop/migrations/0001_a.py": content,
        "shop/migrations/0002_b.py": migration(needs=(("shop", "0001_a"),)),
    }
    found = read(tmp_path, files)
    assert [finding.id for finding in found.findings] == ["django-syntax:0001_a.py"]
    assert {one.id for one in found.migrations} == {"shop.0001_a", "shop.0002_b"}


def test_check_cannot_be_made_when_a_file_cannot_be_read(tmp_path: Path) -> None:
    """Permissions do not hold root, so that the file is one whose reading fails for everybody."""
    place = write(tmp_path, shop("0001_a"))
    (tmp_path / "shop/migrations/0002_b.py").symlink_to("/proc/self/mem")
    (found,) = read_apps(place).findings
    assert (found.id, found.severity) == ("django-unreadable:0002_b.py", Severity.UNKNOWN)


def test_files_that_are_no_migrations_are_passed_over(tmp_path: Path) -> None:
    """Private files, modules without the class, folders without `__init__.py`, and what is installed."""
    write(
        tmp_path,
        {
            **shop("0001_a"),
            "shop/migrations/_tools.py": migration(),
            "shop/migrations/names.py": "X = 1\n",
            "venv/lib/auth/migrations/0001_a.py": migration(),
            "sql/0001_a.py": migration(),
        },
    )
    (tmp_path / "plain/migrations").mkdir(parents=True)
    (tmp_path / "plain/migrations/0001_a.py").write_text(migration())
    found = read_apps(ToolPlace(tool="django", folder=str(tmp_path), root=str(tmp_path)))
    assert [one.id for one in found.migrations] == ["shop.0001_a"]


def test_app_has_the_label_of_its_configuration(tmp_path: Path) -> None:
    """The record says `store`, though the folder is called shop."""
    config = "class ShopConfig(AppConfig):\n    name = 'shop'\n    label = 'store'\n"
    files = read(tmp_path, {**shop("0001_a"), "shop/apps.py": config})
    assert [one.id for one in files.migrations] == ["store.0001_a"]


# Against the record


def test_everything_is_pending_when_there_is_no_record(tmp_path: Path) -> None:
    """A new database has not even the table."""
    found = read_records(write(tmp_path, shop("0001_a", "0002_b")), MemoryDatabase())
    assert (found.has_table, pending(found)) == (False, ["shop.0001_a", "shop.0002_b"])
    assert (found.apply, found.make) == ("python manage.py migrate", "python manage.py makemigrations")


def test_rows_are_split_into_pending_and_unknown(tmp_path: Path) -> None:
    """Rows of the project's own apps without a file are unknown."""
    found = state(tmp_path, shop("0001_a", "0002_b"), "shop.0001_a", "shop.0009_newer")
    assert (pending(found), found.unknown) == (["shop.0002_b"], ("shop.0009_newer",))
    assert found.applied == ("shop.0001_a", "shop.0009_newer")


def test_rows_of_installed_apps_are_not_unknown(tmp_path: Path) -> None:
    """The files of auth and its kin are in the interpreter."""
    found = state(tmp_path, shop("0001_a"), "contenttypes.0001_initial", "auth.0001_initial", "shop.0001_a")
    assert (found.unknown, found.pending, found.applied) == ((), (), ("shop.0001_a",))


SQUASH: Mapping[str, str] = {
    **shop("0001_a", "0002_b"),
    "shop/migrations/0001_squashed.py": migration(replaces=(("shop", "0001_a"), ("shop", "0002_b"))),
    "shop/migrations/0003_c.py": migration(needs=(("shop", "0002_b"),)),
}


@pytest.mark.parametrize(
    ("recorded", "expected"),
    [
        ((), ["shop.0001_squashed", "shop.0003_c"]),
        (("shop.0001_a",), ["shop.0002_b", "shop.0003_c"]),
        (("shop.0001_a", "shop.0002_b"), ["shop.0003_c"]),
        (("shop.0001_a", "shop.0002_b", "shop.0001_squashed", "shop.0003_c"), []),
    ],
)
def test_squashed_migration_stands_for_those_that_it_replaces(
    tmp_path: Path, recorded: tuple[str, ...], expected: list[str]
) -> None:
    """Django runs the one or the others, whichever were begun."""
    found = state(tmp_path, SQUASH, *recorded)
    assert (pending(found), found.unknown, found.findings) == (expected, (), ())


def test_replaced_rows_are_not_unknown_when_their_files_are_gone(tmp_path: Path) -> None:
    """After a while, the files that were squashed are deleted; others may still depend on them."""
    files = {name: text for name, text in SQUASH.items() if "0001_a" not in name and "0002_b" not in name}
    found = state(tmp_path, files, "shop.0001_a", "shop.0002_b")
    assert (pending(found), found.unknown, found.findings) == (["shop.0003_c"], (), ())


MANAGE = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'site1.settings')\n"


@pytest.mark.parametrize("app", ["shop", "apps.shop", "apps.shop.apps.ShopConfig"])
def test_app_counts_when_the_settings_install_it(tmp_path: Path, app: str) -> None:
    """By its name or its configuration; another in the repository is left in peace."""
    files = {
        "manage.py": MANAGE,
        "site1/settings.py": f"INSTALLED_APPS = ['django.contrib.auth', {app!r}]\n",
        "apps/shop/migrations/0001_a.py": migration(),
        "old/migrations/0001_a.py": migration(),
    }
    assert pending(state(tmp_path, files)) == ["shop.0001_a"]


def test_app_counts_when_its_rows_are_there_though_the_settings_do_not_name_it(tmp_path: Path) -> None:
    """Settings may be put together by code that nobody runs here."""
    files = {"manage.py": MANAGE, "site1/settings.py": "APPS = ['other']\n", **shop("0001_a", "0002_b")}
    assert pending(state(tmp_path, files, "shop.0001_a")) == ["shop.0002_b"]


@pytest.mark.parametrize("settings", ["INSTALLED_APPS = [\n", "from base import *\n"])
def test_every_app_counts_when_the_settings_tell_nothing(tmp_path: Path, settings: str) -> None:
    """Rather one too many than one too few."""
    files = {"manage.py": MANAGE, "site1/settings.py": settings, **shop("0001_a")}
    assert pending(state(tmp_path, files)) == ["shop.0001_a"]


# What a migration makes

CREATE = "migrations.CreateModel(name='Order', fields=[('id', models.AutoField()), ('title', models.TextField())]{})"


def test_table_has_the_name_of_app_and_model_when_created(tmp_path: Path) -> None:
    """With the line of the operation; the columns of a new table are part of it."""
    found = made(tmp_path, CREATE.format(""))
    assert (found.creates, found.adds, dict(found.lines)) == ({"shop_order"}, set(), {"shop_order": 8})


def test_table_has_the_name_of_its_options(tmp_path: Path) -> None:
    """Later operations find it by its model."""
    add = "migrations.AddField(model_name='order', name='note', field=models.TextField())"
    found = made(tmp_path, CREATE.format(", options={'db_table': 'Orders', 'ordering': ['id']}"), add)
    assert (found.creates, found.adds) == ({"orders"}, {("orders", "note")})


@pytest.mark.parametrize("option", ["'managed': False", "'proxy': True"])
def test_no_table_is_made_for_models_without_one(tmp_path: Path, option: str) -> None:
    """Proxies and unmanaged models are Django's alone."""
    assert made(tmp_path, CREATE.format(f", options={{{option}}}")).creates == set()


@pytest.mark.parametrize(
    ("field", "column"),
    [
        ("models.TextField()", "owner"),
        ("models.ForeignKey(to='shop.user', on_delete=models.CASCADE)", "owner_id"),
        ("models.OneToOneField(to='shop.user', on_delete=models.CASCADE)", "owner_id"),
        ("models.ForeignKey(to='shop.user', db_column='Own')", "own"),
        ("custom.Money()", "owner"),
    ],
)
def test_column_has_the_name_of_its_field(tmp_path: Path, field: str, column: str) -> None:
    """Foreign keys add `_id`, unless told otherwise."""
    found = made(tmp_path, f"migrations.AddField(model_name='Order', name='owner', field={field})")
    assert (found.creates, found.adds) == (frozenset(), {("shop_order", column)})


@pytest.mark.parametrize(
    ("options", "tables"),
    [("", {"shop_order_tags"}), (", db_table='links'", {"links"}), (", through='shop.Link'", set())],
)
def test_many_to_many_field_makes_a_table(tmp_path: Path, options: str, tables: set[str]) -> None:
    """A table of its own, unless a model is it."""
    field = f"models.ManyToManyField(to='shop.tag'{options})"
    assert made(tmp_path, f"migrations.AddField('order', 'tags', {field})").creates == tables


def test_many_to_many_field_of_a_new_model_makes_a_table(tmp_path: Path) -> None:
    """Beside that of the model."""
    text = "migrations.CreateModel('Order', [('tags', models.ManyToManyField(to='shop.tag'))])"
    assert made(tmp_path, text).creates == {"shop_order", "shop_order_tags"}


def test_new_names_count_as_new_when_renamed(tmp_path: Path) -> None:
    """A model, its table, a field."""
    found = made(
        tmp_path,
        "migrations.RenameModel(old_name='Order', new_name='Sale')",
        "migrations.AlterModelTable(name='user', table='people')",
        "migrations.RenameField(model_name='user', old_name='a', new_name='b')",
    )
    assert (found.creates, found.adds) == ({"shop_sale", "people"}, {("people", "b")})


def test_sql_counts_when_a_migration_runs_it(tmp_path: Path) -> None:
    """Also inside of SeparateDatabaseAndState, whose other half changes no database."""
    found = made(
        tmp_path,
        "migrations.RunSQL('CREATE TABLE plain (id int)', 'DROP TABLE plain')",
        "migrations.RunSQL(['CREATE TABLE one (id int)', ('CREATE TABLE two (id int)', None)])",
        """migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(sql='ALTER TABLE plain ADD COLUMN x int')],
            state_operations=[migrations.CreateModel(name='Ghost', fields=[])],
        )""",
    )
    assert (found.creates, found.adds) == ({"plain", "one", "two"}, {("plain", "x")})


def test_nothing_is_made_when_operations_are_computed(tmp_path: Path) -> None:
    """What only running the code would tell is left out, without stumbling."""
    found = made(
        tmp_path,
        "*MORE",
        "make(1)",
        "migrations.RunPython(fill)",
        "migrations.RunSQL([STATEMENT, (STATEMENT, None), (), 1])",
        "migrations.SeparateDatabaseAndState(database_operations=MORE)",
        "migrations.AlterModelTable(name='user', table=None)",
    )
    assert (found.creates, found.adds) == (frozenset(), frozenset())
