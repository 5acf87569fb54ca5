"""Django projects, read in interpreters of their own: 4.2 and 5.2."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from devenv.adapters.models.reader import read_models
from devenv.schema.ir import Dialect, ForeignKey, Index, Table
from devenv.schema.ports import CannotLook, ModelAnswer
from tests.support.venvs import DJANGO_42, DJANGO_52, ask, build_venv, write_files

read = partial(read_models, cache_dir=None, deadline_s=20.0)

MANAGE = """\
    import os
    import sys
    from pathlib import Path

    def main():
        for line in Path(__file__).with_name(".env").read_text().splitlines():
            os.environ.setdefault(*line.split("=", 1))
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site1.settings")
        from django.core.management import execute_from_command_line
        execute_from_command_line(sys.argv)

    if __name__ == "__main__":
        main()
"""
SETTINGS = """\
    import os
    SECRET_KEY = "x"
    USE_TZ = True
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    INSTALLED_APPS = ["django.contrib.contenttypes", "shop"]
    DATABASES = {"default": {
        "ENGINE": "django.db.backends." + os.environ["KIND"],
        "NAME": os.environ.get("NAME", "db.sqlite3"),
        "USER": "shop",
        "PASSWORD": "p@ss/word",
        "HOST": "db.invalid",
        "PORT": 3307,
    }}
"""
MODELS = """\
    from django.db import models
    from django.db.models.functions import Lower

    class Tag(models.Model):
        name = models.CharField(max_length=20, unique=True)

    class Product(models.Model):
        title = models.CharField(max_length=80, db_index=True)
        price = models.DecimalField(max_digits=8, decimal_places=2, null=True)
        tags = models.ManyToManyField(Tag)
        main = models.ForeignKey(Tag, on_delete=models.CASCADE, related_name="+", db_column="main_tag")

        class Meta:
            unique_together = [("title", "main")]
            constraints = [
                models.UniqueConstraint(Lower("title"), name="lower_title"),
                models.UniqueConstraint(fields=["price"], condition=models.Q(price__gt=1), name="dear"),
            ]
            indexes = [models.Index(fields=["-price"], name="by_price")]

    class Special(Product):
        class Meta:
            db_table = 'ops"."special'

    class Shown(Product):
        class Meta:
            proxy = True

    class Legacy(models.Model):
        class Meta:
            managed = False
            db_table = "legacy"
"""


def write_site(folder: Path, *, env: str = "KIND=sqlite3", models: str = MODELS) -> Path:
    """Write a Django project whose manage.py reads an .env file of its own."""
    return write_files(
        folder,
        {
            "manage.py": MANAGE,
            ".env": env,
            "site1/__init__.py": "",
            "site1/settings.py": SETTINGS,
            "shop/__init__.py": "",
            "shop/models.py": models,
        },
    )


@pytest.fixture(scope="module", params=[DJANGO_42, DJANGO_52], ids=["4.2", "5.2"])
def venv(request: pytest.FixtureRequest) -> Path:
    """Return an environment with one of the versions."""
    return build_venv(request.config, request.param)


@pytest.fixture(scope="module")
def venv_52(request: pytest.FixtureRequest) -> Path:
    """Return one with Django 5.2 and PyMySQL."""
    return build_venv(request.config, DJANGO_52)


@pytest.fixture(scope="module")
def answer(venv: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelAnswer:
    """Return the models of the project above."""
    return read(ask(venv, write_site(tmp_path_factory.mktemp("site")), manage_py="manage.py", dialect=None))


def table_of(answer: ModelAnswer, name: str) -> Table:
    """Return a table by name."""
    return next(table for table in answer.schema.tables if table.name == name)


def test_tables_are_those_that_migrate_would_make_when_models_are_read(answer: ModelAnswer) -> None:
    """Many-to-many and inherited tables are there, proxies are not, and unmanaged ones are left out by name."""
    names = {table.title for table in answer.schema.tables}
    expected = {"shop_tag", "shop_product", "shop_product_tags", "ops.special", "django_content_type"}
    assert (names, answer.ignored_tables) == (expected, ("legacy",))
    assert answer.schema.dialect is Dialect.SQLITE


def test_columns_are_as_django_declares_them_when_models_are_read(answer: ModelAnswer) -> None:
    """Types, nullability, the counting key, and the lines that they are written on."""
    columns = {one.name: one for one in table_of(answer, "shop_product").columns}
    types = {name: (column.type, column.nullable, column.is_filled) for name, column in columns.items()}
    assert types == {
        "id": ("integer", False, True),
        "title": ("varchar(80)", False, False),
        "price": ("decimal", True, False),
        "main_tag": ("bigint", False, False),
    }
    assert columns["main_tag"].place == "shop/models.py:11"
    assert table_of(answer, "shop_product_tags").place == "shop/models.py:10"


def test_keys_are_as_django_declares_them_when_models_are_read(answer: ModelAnswer) -> None:
    """Conditional and functional constraints are indexes, as the database keeps them."""
    product = table_of(answer, "shop_product")
    assert product.uniques == (("title", "main_tag"),)
    assert set(product.indexes) == {
        Index(name="lower_title", columns=("",), unique=True),
        Index(name="dear", columns=("price",), unique=True, partial=True),
        Index(name="by_price", columns=("price",)),
        Index(columns=("title",)),
        Index(columns=("main_tag",)),
    }
    assert product.foreign_keys == (ForeignKey(columns=("main_tag",), table="shop_tag", targets=("id",)),)
    assert table_of(answer, "special").primary_key == ("product_ptr_id",)


def test_database_is_that_of_the_settings_when_they_name_a_file(venv_52: Path, tmp_path: Path) -> None:
    """A relative path is seen from the folder of manage.py; the file is not made."""
    folder = write_site(tmp_path)
    answer = read(ask(venv_52, folder, manage_py="manage.py", dialect=None))
    assert answer.database_url == f"sqlite:///{folder}/db.sqlite3"
    assert not (folder / "db.sqlite3").exists()


def test_mysql_types_are_read_when_no_server_tells_its_version(venv_52: Path, tmp_path: Path) -> None:
    """Nothing connects: what depends on the version is as MySQL 8 has it."""
    folder = write_site(tmp_path, env="KIND=mysql\nNAME=shop")
    (folder / "site1" / "__init__.py").write_text("import pymysql\npymysql.install_as_MySQLdb()\n")
    answer = read(ask(venv_52, folder, manage_py="manage.py", dialect=None))
    types = [column.type for column in table_of(answer, "shop_product").columns]
    assert types == ["bigint", "varchar(80)", "numeric(8, 2)", "bigint"]
    assert answer.database_url == "mysql://shop:p%40ss%2Fword@db.invalid:3307/shop"


def test_missing_driver_is_named_when_the_settings_need_it(venv_52: Path, tmp_path: Path) -> None:
    """The service could not connect either: the finding carries the command that installs it."""
    folder = write_site(tmp_path, env="KIND=postgresql\nNAME=shop")
    with pytest.raises(CannotLook) as caught:
        read(ask(venv_52, folder, manage_py="manage.py", dialect=None))
    assert "has no package psycopg2" in caught.value.reason
    assert caught.value.fix.endswith("-m pip install psycopg2-binary")


def test_query_at_import_is_named_when_models_ask_the_database(venv_52: Path, tmp_path: Path) -> None:
    """A query in a module is a fault of the project that nothing here may run."""
    models = f"{MODELS}\n    KNOWN = list(Tag.objects.all())\n"
    with pytest.raises(CannotLook) as caught:
        read(ask(venv_52, write_site(tmp_path, models=models), manage_py="manage.py", dialect=None))
    assert (caught.value.code, caught.value.place) == ("models-connect", "shop/models.py:34")


def test_settings_are_missing_when_manage_py_names_none(venv_52: Path, tmp_path: Path) -> None:
    """A manage.py that hands over without settings is said, not crashed on."""
    folder = write_files(tmp_path, {"manage.py": "print('hello')\n"})
    with pytest.raises(CannotLook) as caught:
        read(ask(venv_52, folder, manage_py="manage.py"))
    assert caught.value.reason.endswith("neither manage.py nor the environment sets DJANGO_SETTINGS_MODULE")
