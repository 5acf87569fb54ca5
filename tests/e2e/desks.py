"""A developer's desk in the evening: a project in a repository on `dev`, with the remotes `origin` and `org`.

Invariant: when made, both remotes have `dev` and `master` as they are here, and one commit more is on `dev` only here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.daemon import Devenv, Done
from tests.support.git import ENVIRONMENT, Repository, make_clone, make_remote, make_repository
from tests.support.processes import command_line_of
from tests.support.wait import until

RULES = """
  sync:
    remotes: [origin, org]
    branches: [dev, master]
    promote: {from: dev, to: master}
"""
"""What the issue's example asks for, but for what is said in one line more (`commit: auto`)."""

BARE = """
  sync:
    remotes: [origin, org]
    branches: [dev]
"""
ALL = ("dev", "master")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The project, its repository, and its remotes."""

    project: Devenv
    work: Repository
    origin: Repository
    org: Repository

    def configure(self, rules: str, services: str = "") -> None:
        """Write services.yaml, which git ignores here, so that it is no change of the repository's own."""
        self.project.write(f"{services or 'services: {}'}\ngit:{rules}")

    def tips(self, branch: str) -> list[str]:
        """Return the commit of a branch here, at origin, and at org."""
        return [one.tip(f"refs/heads/{branch}") for one in (self.work, self.origin, self.org)]

    def is_everywhere(self, *branches: str) -> bool:
        """Tell whether both remotes have these branches as they are here."""
        return all(len(set(self.tips(branch))) == 1 for branch in branches or ALL)

    def advance(self, remote: Repository, branch: str = "dev", path: str = "theirs") -> str:
        """Let a colleague push a commit to one remote; return the commit."""
        clone = make_clone(self.project.folder.parent / f"colleague-{remote.folder.name}-{branch}", remote)
        clone.git("checkout", "-q", branch)
        commit = clone.commit(path, "theirs\n", "theirs")
        clone.git("push", "-q", "origin", branch)
        return commit

    def sync(self, *arguments: str, expect: int = 0, **env: str) -> Done:
        """Run `devenv sync` and hold its exit status to `expect`."""
        done = self.project.run("sync", *arguments, env=env)
        assert done.status == expect, str(done)
        assert "Traceback" not in done.text
        return done

    def gits(self) -> list[str]:
        """Return the command lines of what devenv runs right now."""
        return [line for one in self.project.processes() if "git" in (line := command_line_of(one)).split(" ")[0]]


def make_desk(project: Devenv) -> Desk:
    """Put a repository into the project's folder, and its remotes beside it."""
    work = make_repository(project.folder, branch="master")
    work.write(".gitignore", "services.yaml\n.env\n")
    work.git("add", ".gitignore")
    work.commit("base", "base\n", "base")
    work.git("checkout", "-q", "-b", "dev")
    remotes = [make_remote(project.folder.parent / f"{name}.git") for name in ("origin", "org")]
    for name, remote in zip(("origin", "org"), remotes, strict=True):
        work.git("remote", "add", name, str(remote.folder))
        work.git("push", "-q", name, "dev", "master")
        remote.git("symbolic-ref", "HEAD", "refs/heads/dev")
    work.commit("today", "today\n", "today")
    project.env |= ENVIRONMENT
    desk = Desk(project=project, work=work, origin=remotes[0], org=remotes[1])
    desk.configure(RULES)
    return desk


@contextmanager
def under_way(desk: Desk, mark: Path, *arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Give a command that has come so far that something wrote `mark`; it has ended when the `with` ends."""
    started = desk.project.start(*arguments, env=env)
    try:
        until(lambda: mark.exists() or started.poll() is not None, deadline_s=30, what=f"{mark.name}", poll_s=0.02)
        assert mark.exists(), started.communicate()
        yield started
    finally:
        started.kill()
        started.communicate()


def lingering(mark: Path, release: Path | None = None) -> str:
    """Return a script for /bin/sh that writes `mark`, and then goes on only once `release` is there (None: never)."""
    wait = f"until test -e '{release}'; do sleep 0.02; done" if release else "exec sleep 1000"
    return f"echo $$ > '{mark}.part'; mv '{mark}.part' '{mark}'; {wait}"
