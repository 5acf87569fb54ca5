"""How `up` fails: the cause first, then who waits because of it; what stays up; exit statuses and documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.daemon import Devenv


def _write_chain(project: Devenv, server: str) -> None:
    project.write(f"""
        services:
          steady: {{command: {server} 0}}
          base:
            command: {server} 0 --say cause-of-it-all --exit 4
            ready: {{log: serving}} # alive for a moment would do without it, however slow the machine is to fail
            depends_on: [steady]
          middle: {{command: {server} 0, depends_on: [base]}}
          top: {{command: {server} 0, depends_on: [middle]}}
    """)


def test_cause_comes_first_then_who_waits(project: Devenv, server: str) -> None:
    """One error, about the service that failed; those behind it are lines of it; what runs stays up."""
    _write_chain(project, server)
    done = project.up(expect=5)
    assert done.err.count("error:") == 1
    told = done.err[done.err.index("error:") :]
    assert "base" in told.splitlines()[0]
    assert told.index("cause-of-it-all") < told.index("middle") < told.index("top")
    assert project.states() == {"steady": "ready", "base": "failed", "middle": "waiting", "top": "waiting"}


def test_json_document_tells_the_failure(project: Devenv, server: str) -> None:
    """The same on standard output, as one document."""
    _write_chain(project, server)
    done = project.run("up", "--json")
    document = done.json()
    assert (done.status, document["status"], document["verb"]) == (5, 5, "up")
    failure = document["failures"][0]
    assert failure["code"] in {"start-failed", "not-ready"}
    assert "base" in failure["what"]
    assert {"what", "why", "fix", "details", "status"} <= failure.keys()
    assert {row["name"] for row in document["services"]} == {"steady", "base", "middle", "top"}


def test_rollback_stops_what_this_up_started(project: Devenv, server: str) -> None:
    """And only that: what ran before stays."""
    _write_chain(project, server)
    project.up("steady")
    before = project.identities()
    project.write(f"""
        services:
          steady: {{command: {server} 0}}
          fresh: {{command: {server} 0}}
          base: {{command: exit 4, depends_on: [steady, fresh]}}
    """)
    project.up("--rollback", expect=5)
    states = project.states()
    assert (states["steady"], states["fresh"]) == ("ready", "stopped")
    assert project.identities()["steady"] == before["steady"]


def test_timeout_ends_the_wait_and_says_who_was_late(project: Devenv, server: str, free_port: int) -> None:
    """Exit 5 after --timeout; the service stays up."""
    project.write(f"services: {{slow: {{command: {server} {free_port} --delay 60, ports: [{free_port}]}}}}\n")
    done = project.up("--timeout", "500ms", expect=5)
    assert done.took_s < 5
    assert "slow" in done.err
    assert "500ms" in done.err or "0.5 s" in done.err
    assert project.services()["slow"]["pid"]


def test_up_goes_on_where_it_failed_when_the_cause_is_mended(project: Devenv, server: str) -> None:
    """The next `up` keeps what runs and starts the rest."""
    _write_chain(project, server)
    project.up(expect=5)
    before = project.identities()["steady"]
    text = (project.folder / "services.yaml").read_text()
    (project.folder / "services.yaml").write_text(text.replace("cause-of-it-all --exit 4", "serving"))
    project.up()
    assert set(project.states().values()) == {"ready"}
    assert project.identities()["steady"] == before


def test_optional_dependency_that_fails_does_not_stop_its_user(project: Devenv, server: str) -> None:
    """`required: false`: the stack is up without it, and that is said."""
    project.write(f"""
        services:
          cache: {{command: exit 1}}
          api: {{command: {server} 0, depends_on: {{cache: {{condition: ready, required: false}}}}}}
    """)
    done = project.run("up")
    assert project.states() == {"cache": "failed", "api": "ready"}
    assert "cache" in done.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("services:\n  web:\n    comand: x\n", ["services.yaml:", "comand", "command"]),
        (
            "services:\n  a: {command: x, depends_on: [b]}\n  b: {command: x, depends_on: [a]}\n",
            ["a -> b -> a", "circle"],
        ),
        ("services:\n  a: {command: x, depends_on: [c]}\n", ["c", "services.yaml:"]),
        ("services:\n  a: {command: x, ports: [8123]}\n  b: {command: x, ports: [8123]}\n", ["8123", "a", "b"]),
        ("services:\n  a: {command: 'echo ${NOT_SET_ANYWHERE:?say it}'}\n", ["NOT_SET_ANYWHERE", "say it"]),
        ("", ["empty"]),
    ],
    ids=["unknown-key", "cycle", "undefined", "one-port-twice", "required-variable", "empty"],
)
def test_mistakes_of_the_file_end_with_status_2(project: Devenv, text: str, said: list[str]) -> None:
    """With file, line and column, before anything is started."""
    path = project.folder / "services.yaml"
    path.write_text(text and f"name: {project.name}\n{text}")
    done = project.up(expect=2)
    for words in said:
        assert words in done.err, str(done)
    assert project.status()["services"] == []


def test_all_mistakes_are_told_at_once(project: Devenv) -> None:
    """Three of them in one answer, each at its place."""
    project.write("""
        services:
          a: {comand: x}
          b: {command: x, prots: [1]}
          c: {command: x, depends_on: [nobody]}
    """)
    done = project.up(expect=2)
    for place in ("services.yaml:3:", "services.yaml:4:", "services.yaml:5:"):
        assert place in done.err, str(done)
    document = project.run("up", "--json").json()
    assert document["failures"][0]["code"] == "config-invalid"
    assert len(document["failures"][0]["diagnostics"]) >= 3


def test_no_selected_services_is_said(project: Devenv) -> None:
    """A stack whose services all belong to profiles is not `ready`."""
    project.write("services: {a: {command: x, profiles: [other]}}\n")
    assert "profile" in project.up(expect=2).err


@pytest.mark.parametrize(
    "arguments", [["up", "nobody"], ["up", "--nonsense"], ["nonsense"], ["up", "--timeout", "soon"]]
)
def test_usage_mistakes_end_with_status_2(project: Devenv, server: str, arguments: list[str]) -> None:
    """Each in a sentence, without a traceback."""
    project.write(f"services: {{web: {{command: {server} 0}}}}\n")
    done = project.run(*arguments)
    assert done.status == 2, str(done)
    assert "Traceback" not in done.text


def test_missing_folder_of_a_service_is_named(project: Devenv, server: str) -> None:
    """A working_dir that is not there."""
    project.write(f"services: {{web: {{command: {server} 0, working_dir: no/such/place}}}}\n")
    done = project.run("up")
    assert done.status in {2, 5}
    assert "no/such/place" in done.err


def test_dry_run_starts_nothing_and_says_what_it_would(project: Devenv, server: str) -> None:
    """The plan, and an empty status after it."""
    project.write(f"services: {{web: {{command: {server} 0}}, job: {{task: 'true', depends_on: [web]}}}}\n")
    done = project.up("--dry-run")
    assert "web" in done.out
    assert "start" in done.out
    assert not project.left()
    assert not list(Path(project.state).rglob("record.json"))
