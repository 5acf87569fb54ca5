"""`devenv snapshot` and `devenv migrate` where no database is needed: lists, removals, refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from devenv.cli.main import run
from devenv.domain.snapshots import Snapshot, encode_snapshot
from tests.unit.cli.stacks import StackFolder
from tests.unit.domain.test_snapshots import SNAPSHOT


def keep(stack: StackFolder, snapshot: Snapshot) -> None:
    """Put a snapshot where the stack has its own."""
    folder = stack.paths.folder / "snapshots" / snapshot.name
    folder.mkdir(parents=True)
    (folder / "dump").write_bytes(b"x")
    (folder / "snapshot.json").write_text(json.dumps(encode_snapshot(snapshot)))


def test_list_has_the_newest_first(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """A table for people, everything for programs; `--service` picks."""
    keep(stack, SNAPSHOT)
    keep(stack, replace(SNAPSHOT, name="later", taken_at="2025-02-01T00:00:00Z", service="web", commit=""))
    assert run(["snapshot", "list"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.startswith("NAME")
    assert [row.split()[0] for row in rows] == ["later", "before-demo"]
    assert "1.3 MB" in rows[1]
    assert rows[1].endswith("1234567890+")
    assert run(["snapshot", "list", "--service", "api", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in document["snapshots"]] == ["before-demo"]


def test_list_says_how_to_take_one_when_there_is_none(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """No empty table."""
    del stack
    assert run(["snapshot", "list"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, "devenv snapshot save" in captured.err) == ("", True)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "torn"}', '{"name": 3, "migrations": []}'])
def test_damaged_record_is_not_listed(stack: StackFolder, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Nor does it keep the others from being listed."""
    keep(stack, SNAPSHOT)
    torn = stack.paths.folder / "snapshots" / "torn"
    torn.mkdir()
    (torn / "snapshot.json").write_text(text)
    assert run(["snapshot", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in document["snapshots"]] == ["before-demo"]


def test_show_tells_where_it_was_taken(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """Its place, server, commit, fingerprint and file."""
    keep(stack, SNAPSHOT)
    assert run(["snapshot", "show", "before-demo"]) == 0
    said = capsys.readouterr().out
    for words in ("127.0.0.1:5432", "PostgreSQL 15.18", "commit 1234567890 with changes", "f" * 64, "before-demo/dump"):
        assert words in said


def test_removal_is_of_all_or_of_none(stack: StackFolder, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is mistyped removes nothing else."""
    keep(stack, SNAPSHOT)
    assert run(["snapshot", "rm", "before-demo", "no-such"]) == 2
    assert "cannot find the snapshot no-such" in capsys.readouterr().err
    assert run(["snapshot", "rm", "before-demo"]) == 0
    assert list((stack.paths.folder / "snapshots").iterdir()) == []


MIGRATING = """\
name: shop
services:
  api: {command: serve, schema: {database: "sqlite:///shop.db", migrate: COMMAND}}
"""


@pytest.mark.parametrize(
    "command",
    [
        "prisma db push --accept-data-loss",
        "npx prisma db push --force-reset",
        "prisma migrate reset --force",
        "bin/rails db:reset",
        "python manage.py flush --no-input",
        "alembic -x a=b downgrade base",
        "dbmate drop",
    ],
)
def test_command_that_throws_data_away_is_refused(
    stack: StackFolder, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Before a database is looked for; the option that allows it is named."""
    (stack.folder / "services.yaml").write_text(MIGRATING.replace("COMMAND", command))
    assert run(["migrate"]) == 2
    said = capsys.readouterr().err
    assert f"cannot run `{command}` for api" in said
    assert "devenv migrate api --allow-destructive" in said


def test_service_without_a_database_is_told_what_to_write(
    stack: StackFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stack has no schema rules at all."""
    del stack
    for command in (["snapshot", "save"], ["migrate"], ["migrate", "--rollback"]):
        assert run(command) == 2
        assert "write `schema:" in capsys.readouterr().err


def test_rollback_is_refused_when_no_migration_was_snapshotted(
    stack: StackFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """An asked one is not taken for it."""
    (stack.folder / "services.yaml").write_text(MIGRATING.replace("COMMAND", "alembic upgrade head"))
    keep(stack, SNAPSHOT)
    assert run(["migrate", "--rollback"]) == 2
    assert "no migration of api has kept a snapshot" in capsys.readouterr().err
