"""A sync of several repositories and remotes, against the slowest of its pushes and against all of them in turn.

Must not know how devenv does it. Invariant: every push has something to send, and takes its time at the server.
"""

from pathlib import Path

from tests.bench.lab import Failed, Lab, find_devenv
from tests.bench.rows import Row, compare
from tests.support.git import ENVIRONMENT, Repository, make_remote, make_repository

REPOSITORIES = 4
REMOTES = ("origin", "org")
_AT_SERVER_S = 1.0


def run_sync(lab: Lab) -> list[Row]:
    """Case 12: 4 repositories x 2 remotes, where each push takes a second at the server."""
    repositories = [_make(lab.place("sync"), number) for number in range(REPOSITORIES)]
    first = repositories[0].folder
    names = ", ".join(f"../{one.folder.name}" for one in repositories)
    (first / "services.yaml").write_text(
        f"services: {{}}\ngit: {{sync: {{remotes: [{', '.join(REMOTES)}], branches: [dev], repos: [{names}]}}}}\n"
    )
    seen: dict[str, list[float]] = {"devenv": [], "slowest push": [], "one by one": []}
    for turn in range(lab.rounds):
        for name in lab.shuffled(("devenv", "git")):
            for one in repositories:
                one.commit("file", f"{turn} {name}\n")
            if name == "devenv":
                seen["devenv"].append(lab.time([*find_devenv(), "sync"], first, ENVIRONMENT))
            else:
                took = _push_one_by_one(lab, repositories)
                seen["slowest push"].append(max(took))
                seen["one by one"].append(sum(took))
            _expect_pushed(repositories)
    ours = ("devenv", seen["devenv"])
    return [
        compare("sync", "4 repositories x 2 remotes", ours, ("slowest push", seen["slowest push"]), 1.75),
        compare("sync", "4 repositories x 2 remotes", ours, ("one by one", seen["one by one"]), 0.25),
    ]


def _make(place: Path, number: int) -> Repository:
    made = make_repository(place / f"r{number}")
    made.write(".gitignore", "services.yaml\n")
    made.git("add", ".gitignore")
    for name in REMOTES:
        remote = make_remote(place / f"r{number}-{name}.git")
        remote.hook("pre-receive", f"exec sleep {_AT_SERVER_S:g}")
        made.git("remote", "add", name, str(remote.folder))
    return made


def _push_one_by_one(lab: Lab, repositories: list[Repository]) -> list[float]:
    """Return how long each plain push takes."""
    words = ["git", "push", "-q"]
    return [lab.time([*words, name, "dev"], one.folder, ENVIRONMENT) for one in repositories for name in REMOTES]


def _expect_pushed(repositories: list[Repository]) -> None:
    for one in repositories:
        for name in REMOTES:
            remote = Repository(folder=one.folder.with_name(f"{one.folder.name}-{name}.git"))
            if remote.tip("dev") != one.tip("dev"):
                raise Failed(f"{remote.folder.name} did not get dev")
