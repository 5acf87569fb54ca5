"""The schema gate in `up`, on fakes and in virtual time: when it is asked, and what its answers mean."""

from __future__ import annotations

from dataclasses import replace

import anyio
import pytest

from devenv.domain.findings import Severity, Topic
from devenv.domain.lifecycle import State
from devenv.domain.model import OnDrift, SchemaRules
from tests.support.builders import ends_with, ready_after, service, stack, task
from tests.support.fakes_app import Rig
from tests.support.fakes_inspector import finding

pytestmark = pytest.mark.anyio

RULES = SchemaRules(database="postgresql://app@127.0.0.1/app")
DRIFT = finding("migrations-pending:alembic")


async def test_service_is_ready_when_its_database_is_what_the_code_expects() -> None:
    """A verdict without findings is passed, and said in the view."""
    rig = Rig(stack(service("api", schema=RULES)))
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert rig.view("api").schema == "ok"
        assert rig.inspector.asked == [("check", "api")]


async def test_up_fails_with_6_when_the_database_lacks_something() -> None:
    """The cause and the command that mends it are the failure; the database and the service stay for the mending."""
    rig = Rig(stack(service("db"), service("api", "db", schema=RULES), service("web", "api")))
    rig.inspector.verdicts["api"] = [(DRIFT,)]
    async with rig.serve():
        ended = await rig.up()
        assert ended.status == 6
        assert ended.failures[0]["why"] == DRIFT.text
        assert ended.failures[0]["fix"] == DRIFT.fix
        assert rig.view("db").state is State.READY
        assert rig.view("api").schema == "drift"
        assert rig.alive == {"db", "api"}
        assert "web waits for api, which did not get ready" in ended.failures[0]["details"]  # type: ignore[operator]


async def test_second_up_is_ready_when_the_database_was_mended() -> None:
    """What failed its gate is started anew, and passes."""
    rig = Rig(stack(service("api", schema=RULES)))
    rig.inspector.verdicts["api"] = [(DRIFT,)]
    async with rig.serve():
        assert (await rig.up()).status == 6
        rig.inspector.verdicts["api"] = [()]
        assert (await rig.up()).status == 0


async def test_service_that_makes_its_own_tables_is_ready_when_it_answers() -> None:
    """Drift that is gone once the probes pass was the service's own to mend."""
    rig = Rig(stack(service("api", schema=RULES, probes=ready_after(2.0))))
    rig.inspector.verdicts["api"] = [(DRIFT,), ()]
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert rig.inspector.asked == [("check", "api")] * 2


async def test_check_runs_while_the_service_boots() -> None:
    """The gate costs the longer of the two, not their sum."""
    rig = Rig(stack(service("api", schema=RULES, probes=ready_after(3.0))))
    rig.inspector.takes_s = 2.0
    async with rig.serve():
        began = anyio.current_time()
        assert (await rig.up()).status == 0
        assert anyio.current_time() - began < 4.0


async def test_service_without_schema_is_never_checked() -> None:
    """Nothing is asked of a database that nobody named."""
    rig = Rig(stack(service("api", probes=ready_after(1.0))))
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert rig.inspector.asked == []
        assert rig.view("api").schema == ""


async def test_what_could_not_be_checked_is_said_and_never_ok() -> None:
    """The service is ready, with a warning and another word than ok."""
    rig = Rig(stack(service("api", schema=RULES)))
    rig.inspector.verdicts["api"] = [(finding("models-not-importable", Severity.UNKNOWN),)]
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert rig.view("api").schema == "unknown"
        assert await rig.notes("warning") == ["api: database not checked: about models-not-importable"]


async def test_what_could_not_be_checked_fails_when_strict() -> None:
    """`--strict` takes nothing on trust."""
    rig = Rig(stack(service("api", schema=RULES)))
    rig.inspector.verdicts["api"] = [(finding("models-not-importable", Severity.UNKNOWN),)]
    async with rig.serve():
        assert (await rig.up(strict=True)).status == 6


async def test_drift_is_only_said_when_the_rules_say_warn() -> None:
    """`on_drift: warn` is ready, and tells."""
    rig = Rig(stack(service("api", schema=replace(RULES, on_drift=OnDrift.WARN))))
    rig.inspector.verdicts["api"] = [(DRIFT,)]
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert rig.view("api").schema == "drift"
        assert await rig.notes("warning") == [f"api: database checked: {DRIFT.text}"]


async def test_running_service_is_checked_again_when_up_keeps_it() -> None:
    """Code and database change under a service that runs: the second `up` looks."""
    rig = Rig(stack(service("api", schema=RULES), service("web", "api")))
    async with rig.serve():
        assert (await rig.up()).status == 0
        rig.inspector.verdicts["api"] = [(DRIFT,)]
        ended = await rig.up()
        assert ended.status == 6
        assert ended.failures[0]["why"] == DRIFT.text
        assert rig.spawned == ["api", "web"]
        assert rig.view("web").state is State.READY


async def test_early_death_is_blamed_on_the_database_when_that_is_the_cause() -> None:
    """A stack trace about a missing column is told as the missing column."""
    rig = Rig(stack(service("api", run=ends_with(1), schema=RULES)))
    rig.inspector.verdicts["api"] = [(DRIFT,)]
    async with rig.serve():
        ended = await rig.up()
        assert ended.status == 6
        assert ended.failures[0]["why"] == DRIFT.text
        assert any("exited with status 1" in str(line) for line in ended.failures[0]["details"])  # type: ignore[attr-defined]


async def test_early_death_tells_that_the_gate_could_not_be_read() -> None:
    """The models that could not be read may be why the service died."""
    rig = Rig(stack(service("api", run=ends_with(1), schema=RULES)))
    rig.inspector.verdicts["api"] = [(finding("models-not-importable", Severity.UNKNOWN),)]
    async with rig.serve():
        ended = await rig.up()
        assert ended.status == 5
        assert "its database was not checked: about models-not-importable" in ended.failures[0]["details"]  # type: ignore[operator]


async def test_early_death_names_the_packages_that_are_missing() -> None:
    """A lock file that disagrees explains why a dev server did not start, and how to install."""
    lacking = finding("lock-missing", topic=Topic.DEPENDENCIES, fix="npm ci")
    rig = Rig(stack(service("web", run=ends_with(1))))
    rig.inspector.locks["web"] = (lacking,)
    async with rig.serve():
        ended = await rig.up()
        assert ended.status == 5
        assert ended.failures[0]["fix"] == "npm ci"
        assert lacking.text in str(ended.failures[0]["why"])


async def test_packages_that_disagree_are_told_and_do_not_hold_back() -> None:
    """The command may install them itself."""
    rig = Rig(stack(service("web", probes=ready_after(1.0))))
    rig.inspector.locks["web"] = (finding("lock-older", Severity.WARNING, topic=Topic.DEPENDENCIES, fix="npm ci"),)
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert await rig.notes("warning") == ["web: about lock-older (npm ci)"]


async def test_import_waits_for_the_tables_that_another_service_makes() -> None:
    """It starts after the service that made them, without a `depends_on`."""
    rig = Rig(stack(task("seed", imports=("/seed.sql",)), service("api", probes=ready_after(5.0))))
    async with rig.serve():
        rig.inspector.missing = lambda: rig.view("api").state is not State.READY
        assert (await rig.up()).status == 0
        assert rig.spawned == ["api", "seed"]


async def test_import_fails_when_nothing_will_make_its_tables() -> None:
    """It is not started, and says which tables are missing."""
    rig = Rig(stack(task("seed", imports=("/seed.sql",)), service("api")))
    rig.inspector.missing = lambda: True
    async with rig.serve():
        ended = await rig.up()
        assert ended.status == 6
        assert ended.failures[0]["why"] == "about import-tables"
        assert rig.spawned == ["api"]


async def test_auto_migrate_runs_the_command_before_the_service_starts() -> None:
    """The database is mended first, which is said; the service then passes."""
    rig = Rig(stack(service("api", schema=replace(RULES, auto_migrate=True, migrate=("alembic", "upgrade", "head")))))
    rig.inspector.verdicts["api"] = [(DRIFT,)]
    async with rig.serve():
        assert (await rig.up()).status == 0
        assert rig.inspector.asked == [("check", "api"), ("migrate", "api"), ("check", "api")]
        assert any("migrating (auto_migrate)" in note for note in await rig.notes())


async def test_auto_migrate_leaves_another_programs_database_alone() -> None:
    """Only what a migration mends is migrated: a wrong URL is told."""
    rig = Rig(stack(service("api", schema=replace(RULES, auto_migrate=True, migrate=("alembic", "upgrade", "head")))))
    rig.inspector.verdicts["api"] = [(finding("database-wrong", topic=Topic.DATABASE),)]
    async with rig.serve():
        assert (await rig.up()).status == 6
        assert ("migrate", "api") not in rig.inspector.asked


async def test_service_is_not_started_when_auto_migrate_did_not_help() -> None:
    """The failure is what is left after the migration."""
    rig = Rig(stack(service("api", schema=replace(RULES, auto_migrate=True, migrate=("alembic", "upgrade", "head")))))
    rig.inspector.verdicts["api"] = [(DRIFT,)]
    rig.inspector.migrated["api"] = (finding("migration-failed:2"),)
    async with rig.serve():
        ended = await rig.up()
        assert ended.status == 6
        assert ended.failures[0]["why"] == "about migration-failed:2"
        assert rig.spawned == []


async def test_task_completes_only_when_the_database_is_right_afterwards() -> None:
    """A migration that succeeded without doing its work holds back what waits for it."""
    rig = Rig(stack(task("migrate", schema=RULES), service("api", "migrate")))
    rig.inspector.verdicts["migrate"] = [(DRIFT,)]
    async with rig.serve():
        ended = await rig.up()
        assert ended.status == 6
        assert rig.spawned == ["migrate"]
