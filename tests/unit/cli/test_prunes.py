"""The table of a prune, and what is asked before other people's things go."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from devenv.cli import entry, pruning
from devenv.cli.main import run
from devenv.cli.views.prunes import describe_prune, prune_document
from devenv.domain.cleaning import PruneReport, Reclaimed, Refused
from tests.unit.cli.stacks import StackFolder

REPORT = PruneReport(
    reclaimed=(
        Reclaimed(kind="images", names=("a", "b", "c", "d", "e", "f"), bytes=1_500_000),
        Reclaimed(kind="paths", names=("od\nd\udcff",), bytes=4096, note="2 files"),
    ),
    refused=(Refused(name="src\x1b[2J", why="git tracks it"),),
)


def test_every_kind_has_a_row_and_the_total_is_their_sum() -> None:
    """Long lists are cut with their number; names can neither break a line nor move a cursor."""
    header, images, paths, total, stays = describe_prune(REPORT).splitlines()
    assert header.split() == ["KIND", "REMOVED", "BYTES", "NOTE"]
    assert "a, b, c, d and 2 more" in images
    assert "1.5 MB" in images
    assert "od d\\udcff" in paths
    assert paths.endswith("2 files")
    assert total == "gave back 1.5 MB"
    assert stays == "stays: src\\x1b[2J: git tracks it"


def test_a_dry_run_says_would_in_the_same_rows() -> None:
    """The rows are the same; header and total say that nothing happened."""
    real = describe_prune(REPORT).splitlines()
    ahead = describe_prune(
        PruneReport(reclaimed=REPORT.reclaimed, refused=REPORT.refused, is_dry_run=True)
    ).splitlines()
    assert "WOULD GO" in ahead[0]
    assert ahead[3] == "would give back 1.5 MB"
    assert [row.split() for row in ahead[1:3]] == [row.split() for row in real[1:3]]


def test_nothing_to_remove_is_said_and_refusals_still_are() -> None:
    """No empty table."""
    assert describe_prune(PruneReport()) == "nothing to remove"
    assert describe_prune(PruneReport(refused=REPORT.refused)).splitlines()[1].startswith("stays: ")


def test_what_a_failure_has_said_is_not_said_again() -> None:
    """An engine that is gone is an error with its way on; what else stays is named."""
    gone = Refused(name="docker", why="cannot reach the engine: it is away")
    report = PruneReport(refused=(gone, *REPORT.refused))
    failure = {"what": "cannot reach the engine", "why": "it is away"}
    assert describe_prune(report, [failure]).splitlines() == [
        "nothing was removed",
        "stays: src\\x1b[2J: git tracks it",
    ]
    assert "stays: docker" in describe_prune(report)


def test_build_cache_is_counted() -> None:
    """Its names are numbers of the engine's own."""
    row = Reclaimed(kind="build cache", names=("k51utsfscqy3", "s4hib4afbmky"), bytes=2000)
    _, told, _ = describe_prune(PruneReport(reclaimed=(row,))).splitlines()
    assert "  2 records  2.0 kB" in told


def test_the_document_has_every_name_and_survives_odd_ones() -> None:
    """JSON for programs: nothing is cut, and bytes that are no UTF-8 come back as they were."""
    document = prune_document(REPORT, version=1, status=0, failures=[])
    again = json.loads(json.dumps(document))
    assert again["reclaimed"][0]["names"] == ["a", "b", "c", "d", "e", "f"]
    assert again["reclaimed"][1]["names"] == ["od\nd\udcff"]
    assert (again["bytes"], again["is_dry_run"]) == (1_504_096, False)


def test_the_whole_engine_needs_yes_where_nobody_can_be_asked(
    stack: StackFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 before any daemon is asked; with `--yes` or `--dry-run` it is asked at once."""
    del stack
    asked: list[bool] = []

    def ask(session: object, options: object, *, dry_run: bool) -> Any:
        asked.append(dry_run)
        raise KeyboardInterrupt

    monkeypatch.setattr(pruning, "_ask_daemon", ask)
    assert run(["prune", "--all-unused"]) == 2
    assert "devenv prune --all-unused --yes" in capsys.readouterr().err
    assert run(["prune", "--all-unused", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["failures"][0]["fix"] == "devenv prune --all-unused --yes"
    assert asked == []
    assert run(["prune", "--all-unused", "--yes"]) == run(["prune", "--all-unused", "--dry-run"]) == 130
    assert asked == [False, True]


@pytest.mark.parametrize("words", [["down", "--prune"], ["down", "--prune", "--json"], ["prune"]])
def test_short_way_is_left_to_a_prune(words: list[str]) -> None:
    """It knows no `--prune`, and leaves the word to the framework."""
    environment: Mapping[str, str] = {}
    assert entry.read_plain(words, environment) is None
