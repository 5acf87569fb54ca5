"""Real git repositories for tests, with remotes that are folders.

Must not import devenv. Invariant: nobody's own git settings take part, and nothing leaves the test's folder.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


def git_environment() -> dict[str, str]:
    """Return the environment in which a test runs git, and devenv where it runs git."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return {**kept, **ENVIRONMENT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """A repository at `folder`; a bare one is a remote."""

    folder: Path

    def git(self, *words: str, check: bool = True, feed: bytes | None = None) -> str:
        """Run git in it and return what it printed."""
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *words],
            cwd=self.folder, env=git_environment(), input=feed, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        if check and done.returncode != 0:
            raise AssertionError(f"git {' '.join(words)}: {done.returncode}\n{os.fsdecode(done.stderr)}")
        return os.fsdecode(done.stdout).removesuffix("\n")

    def write(self, path: str, text: str | bytes) -> Path:
        """Write a file of the work tree."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode() if isinstance(text, str) else text)
        return target

    def commit(self, path: str = "file", text: str = "", message: str = "work") -> str:
        """Write a file, commit it, and return the commit."""
        self.write(path, text or f"{message}\n")
        self.git("add", "--", path)
        self.git("commit", "-q", "-m", message)
        return self.tip("HEAD")

    def tip(self, ref: str) -> str:
        """Return the commit of a ref, '' where there is none."""
        return self.git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", check=False)

    def hook(self, name: str, script: str) -> None:
        """Install a hook; `script` is for /bin/sh."""
        top = self.folder / self.git("rev-parse", "--git-dir")
        hook = top / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\n{script}\n")
        hook.chmod(0o755)

    def refs(self) -> dict[str, str]:
        """Return every ref and what it points to."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        pairs = ((line.split(" ")[0], line.split(" ")[1]) for line in lines)
        return dict(pairs)


def make_repository(folder: Path, *, branch: str = "dev") -> Repository:
    """Make an empty repository with a work tree."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Repository(folder=folder)
    made.git("init", "-q", "-b", branch)
    return made


def make_remote(folder: Path) -> Repository:
    """Make a bare repository, to be a remote."""
    folder.mkdir(parents=True, exist_ok=True)
    made = Repository(folder=folder)
    made.git("init", "-q", "--bare", "-b", "main")
    return made


def make_clone(folder: Path, remote: Repository) -> Repository:
    """Clone a remote into `folder`: a colleague's work tree."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    remote.git("clone", "-q", str(remote.folder), str(folder))
    return Repository(folder=folder)
