"""A Django project whose database is not what its models expect, the database found in its settings.

Django 5.2 in an interpreter of the service's own, which made the databases by its migrations, on PostgreSQL and SQLite.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import SERVERS
from tests.e2e.gate_words import PASSWORD, Postgres, list_files, say, serve_postgres
from tests.support.daemon import Devenv
from tests.support.venvs import build_venv, write_files

PACKAGES = ("django==5.2.19", "psycopg[binary]==3.3.9")
FILES = {
    "manage.py": """\
        import os
        import sys

        from django.core.management import execute_from_command_line

        if __name__ == "__main__":
            os.environ.setdefault("DJANGO_SETTINGS_MODULE", "clinic.settings")
            execute_from_command_line(sys.argv)
        """,
    "clinic/__init__.py": "",
    "clinic/settings.py": """\
        import os
        from pathlib import Path

        SECRET_KEY = "only for these tests"
        DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
        INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "people"]
        SQLITE = {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parents[1] / "db.sqlite3"}
        POSTGRES = {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": "127.0.0.1",
            "PORT": os.environ.get("DB_PORT"),
            "NAME": os.environ.get("DB_NAME"),
            "USER": "app",
            "PASSWORD": os.environ.get("DB_PASSWORD"),
        }
        DATABASES = {"default": POSTGRES if os.environ.get("DB_PORT") else SQLITE}
        """,
    "people/__init__.py": "",
    "people/models.py": """\
        from django.db import models


        class Patient(models.Model):
            name = models.CharField(max_length=80)
            phone = models.CharField(max_length=30, default="")


        class Visit(models.Model):
            patient = models.ForeignKey(Patient, on_delete=models.CASCADE)
            at = models.DateTimeField()
        """,
    "people/migrations/__init__.py": "",
    "people/migrations/0001_initial.py": """\
        from django.db import migrations, models


        class Migration(migrations.Migration):
            initial = True
            dependencies = []
            operations = [
                migrations.CreateModel(
                    name="Patient",
                    fields=[
                        ("id", models.BigAutoField("ID", auto_created=True, primary_key=True, serialize=False)),
                        ("name", models.CharField(max_length=80)),
                    ],
                ),
            ]
        """,
    "people/migrations/0002_visits.py": """\
        from django.db import migrations, models


        class Migration(migrations.Migration):
            dependencies = [("people", "0001_initial")]
            operations = [
                migrations.AddField("Patient", "phone", models.CharField(max_length=30, default="")),
                migrations.CreateModel(
                    name="Visit",
                    fields=[
                        ("id", models.BigAutoField("ID", auto_created=True, primary_key=True, serialize=False)),
                        ("at", models.DateTimeField()),
                        ("patient", models.ForeignKey(on_delete=models.deletion.CASCADE, to="people.patient")),
                    ],
                ),
            ]
        """,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What all tests start from: an interpreter, a server with the databases `at_1` and `at_2`, a SQLite file."""

    python: Path
    server: Postgres
    sqlite: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """A checkout as the service `web` of a stack, on the database `name`; '' is its own SQLite file."""

    project: Devenv
    made: Made
    name: str

    @property
    def web(self) -> Path:
        """Return the service's folder."""
        return self.project.folder / "web"

    def up(self, expect: int = 6) -> str:
        """Run `up`, hold it to an exit status, and return what it said, as one line."""
        return say(self.project.run("up"), expect)

    def add_field(self) -> None:
        """Give a model a field, without a migration."""
        models = self.web / "people" / "models.py"
        models.write_text(models.read_text() + "    reason = models.TextField(null=True)\n")

    def django_finds(self, *command: str) -> bool:
        """Tell whether a check of Django's own fails."""
        environment = login(self.made.server, self.name)
        return run_django(self.made.python, self.web, *command, environment=environment).returncode != 0


MakeClinic = Callable[..., Clinic]


def login(server: Postgres, database: str) -> dict[str, str]:
    """Return the variables from which the settings make their login."""
    return {"DB_PORT": str(server.port), "DB_NAME": database, "DB_PASSWORD": PASSWORD} if database else {}


def run_django(
    python: Path, folder: Path, *command: str, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command of manage.py."""
    return subprocess.run(
        [python, "-B", "manage.py", *command], cwd=folder, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """Let Django itself make each database."""
    python = build_venv(request.config, PACKAGES) / "bin" / "python"
    folder = write_files(tmp_path_factory.mktemp("clinic"), FILES)
    with serve_postgres() as server:
        server.run("postgres", "CREATE DATABASE made")
        for environment, number in ((login(server, "made"), 1), (login(server, "made"), 2), ({}, 2)):
            targets = ("people", "0001") if number == 1 else ()
            done = run_django(python, folder, "migrate", "-v0", *targets, environment=environment)
            assert done.returncode == 0, done.stderr
            if environment:
                server.copy("made", f"at_{number}")
        yield Made(python=python, server=server, sqlite=folder / "db.sqlite3")


@pytest.fixture
def make_clinic(project: Devenv, made: Made) -> MakeClinic:
    """Return a function that gives a checkout on a copy of `database`, '' for the SQLite file."""

    def make(database: str = "at_2", **schema: object) -> Clinic:
        name = made.server.copy(database, f"clinic_{project.name}") if database else ""
        write_files(project.folder / "web", FILES)
        if not database:
            shutil.copy(made.sqlite, project.folder / "web")
        web = {
            "command": f"{made.python} -S -E {SERVERS} 0",
            "working_dir": "web",
            "schema": schema or True,
            "environment": login(made.server, name),
        }
        project.write(yaml.safe_dump({"name": project.name, "services": {"web": web}}))
        return Clinic(project=project, made=made, name=name)

    return make


def test_service_is_ready_when_the_database_is_what_the_models_expect(make_clinic: MakeClinic) -> None:
    """No false alarm on Django's own apps; the database is that of the settings, and nothing is written."""
    clinic = make_clinic()
    files = list_files(clinic.project.folder)
    assert "warning" not in clinic.up(expect=0)
    said = say(clinic.project.run("check"), 0)
    for words in ("web: ok", f"database {clinic.name}", f"127.0.0.1:{clinic.made.server.port}", "Django migrations"):
        assert words in said
    assert "(django/contrib/auth/models.py:" in said  # wider than the models say: a place outside of the project
    assert list_files(clinic.project.folder) == files


def test_pending_migration_is_told_with_its_table_and_its_column(make_clinic: MakeClinic) -> None:
    """One cause, and the command that mends it."""
    clinic = make_clinic("at_1")
    done = clinic.project.run("up")
    said = say(done, 6)
    assert done.text.count("error:") == 1, str(done)
    for words in ("1 Django migration behind", "1 table is missing: people_visit", "created by people.0002_visits",
                  "table people_patient lacks 1 column", "phone", "fix: devenv migrate web",
                  "python manage.py migrate"):  # fmt: skip
        assert words in said


def test_pending_migration_runs_when_that_is_allowed(make_clinic: MakeClinic, made: Made) -> None:
    """`auto_migrate`: snapshot, migration and check, in the database that only the settings name."""
    clinic = make_clinic("at_1", migrate=f"{made.python} manage.py migrate", auto_migrate=True)
    said = clinic.up(expect=0)
    for words in ("1 Django migration behind", "migrating (auto_migrate)"):
        assert words in said
    assert "web: ok" in say(clinic.project.run("check"), 0)
    assert "web" in say(clinic.project.run("snapshot", "list"), 0)


def test_model_that_changed_without_a_migration_is_told(make_clinic: MakeClinic) -> None:
    """`migrate --check` is content: the records are complete."""
    clinic = make_clinic()
    clinic.add_field()
    assert not clinic.django_finds("migrate", "--check")
    said = clinic.up()
    for words in ("table people_visit lacks 1 column", "reason", "web/people/models.py", "makemigrations",
                  "no migration of this checkout makes it"):  # fmt: skip
        assert words in said


def test_column_that_was_dropped_by_hand_is_told(make_clinic: MakeClinic) -> None:
    """Neither of Django's own checks sees it."""
    clinic = make_clinic()
    clinic.made.server.run(clinic.name, "ALTER TABLE people_patient DROP COLUMN phone")
    assert not clinic.django_finds("migrate", "--check")
    assert not clinic.django_finds("makemigrations", "--check", "--dry-run")
    said = clinic.up()
    for words in ("people.0002_visits", "recorded as applied", "its column people_patient.phone does not exist"):
        assert words in said


def test_database_newer_than_the_code_is_told(make_clinic: MakeClinic) -> None:
    """A migration that ran here and is not in this checkout: another branch's."""
    clinic = make_clinic()
    clinic.made.server.run(
        clinic.name, "INSERT INTO django_migrations (app, name, applied) VALUES ('people', '0003_billing', now())"
    )
    assert not clinic.django_finds("migrate", "--check")
    said = clinic.up()
    for words in ("1 Django migration that this checkout does not have", "people.0003_billing", "fix: git pull"):
        assert words in said


def test_two_leaves_of_one_app_are_told(make_clinic: MakeClinic) -> None:
    """`migrate` would refuse: both by name, with the command that joins them."""
    clinic = make_clinic()
    folder = clinic.web / "people" / "migrations"
    text = (folder / "0002_visits.py").read_text()
    (folder / "0002_fork.py").write_text(text[: text.index("    operations")])
    said = clinic.up()
    for words in ("0002_visits", "0002_fork", "makemigrations --merge"):
        assert words in said


def test_sqlite_file_of_the_settings_is_checked(make_clinic: MakeClinic) -> None:
    """It is found, read, not written to, and what it lacks is told."""
    clinic = make_clinic("")
    files = list_files(clinic.project.folder)
    assert "SQLite file" in say(clinic.project.run("check"), 0)
    clinic.add_field()
    said = say(clinic.project.run("check"), 6)
    for words in ("db.sqlite3", "table people_visit lacks 1 column", "reason"):
        assert words in said
    changed = {name for name, *_ in files ^ list_files(clinic.project.folder)}
    assert changed == {str(clinic.web / "people" / "models.py")}


def test_settings_that_cannot_be_read_are_never_ok(make_clinic: MakeClinic) -> None:
    """The variable that they need is not there: told with its line, no trace; `--strict` fails."""
    clinic = make_clinic("")
    settings = clinic.web / "clinic" / "settings.py"
    settings.write_text(settings.read_text() + 'TOKEN = os.environ["PAYMENT_TOKEN"]\n')
    said = say(clinic.project.run("check"), 0)
    for words in ("1 not checked", "PAYMENT_TOKEN", "clinic/settings.py:17"):
        assert words in said
    say(clinic.project.run("check", "--strict"), 6)
