"""Names of branches and remotes: what `git:` takes is what git takes."""

from __future__ import annotations

import subprocess

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devenv.config.git_values import read_branch, read_remote

FAST = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NAMES = st.one_of(
    st.text(alphabet="ab-/.~^:?*[]\\@{}$ \tü\x7f", min_size=1, max_size=8), st.text(min_size=1, max_size=8)
)


def takes(name: str, ref: str) -> bool:
    """Tell whether git takes a name; a dash is for it to read as an option."""
    if name.startswith("-") or not name.strip() or "\0" in name:
        return False
    return subprocess.run(["git", "check-ref-format", ref.format(name)], check=False).returncode == 0


def is_read(read: object, name: str) -> bool:
    """Tell whether `git:` takes a name, with its dollar signs as the reader of variables leaves them."""
    assert callable(read)
    try:
        return bool(read(name.replace("$", "$$")) == name)
    except ValueError:
        return False


@FAST
@example("@")
@example("a.lock/b")
@example("a/.b")
@example("a.")
@example("feature/x-1.2")
@given(name=NAMES)
def test_branch_is_read_exactly_when_git_takes_it(name: str) -> None:
    """A name that git refuses is said with its place; one that git takes is not."""
    assert is_read(read_branch, name) is (takes(name, "refs/heads/{}") and name not in {"HEAD", "@"})


@FAST
@example("origin")
@example("https://example.org/x.git")
@given(name=NAMES)
def test_remote_is_read_exactly_when_git_takes_it(name: str) -> None:
    """As `git remote add` sees it."""
    assert is_read(read_remote, name) is takes(name, "refs/remotes/{}/x")
