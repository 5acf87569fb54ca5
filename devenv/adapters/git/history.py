"""What git knows of a project's history, as checks need it.

Must not change a repository. Invariant: no call waits for a person or longer than its deadline; without git, or outside
a repository, the answers are empty.
"""

import os
import subprocess
from pathlib import Path

_DEADLINE_S = 5.0


def find_branch(text: str, folder: Path) -> str:
    """Return `branch NAME` where a commit that is not checked out put `text` into a file of `folder`, else ''."""
    commit = _ask(folder, "log", "--all", "--max-count=1", "--format=%H", f"-S{text}", "--", ".")
    if not commit:
        return ""
    names = _ask(folder, "branch", "--all", "--format=%(refname:short)", "--contains", commit).split()
    named = [name for name in names if not name.startswith("(")]
    return f"branch {named[0]}" if named else ""


def read_commit(folder: Path) -> tuple[str, bool]:
    """Return the commit that is checked out ('' for none) and whether anything differs from it, new files too."""
    commit = _ask(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    return commit, bool(commit and _ask(folder, "status", "--porcelain"))


def _ask(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_DEADLINE_S, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
