"""Why a remote refused, from the words that git and the forges use."""

from __future__ import annotations

import pytest

from devenv.sync.refusals import Cause, Place, Refusal, Said, explain, plain, read_push, refuse_unknown_remote

PLACE = Place(root="/home/ada/shop", remote="origin", branch="dev", timeout_s=120)


def rejected(reason: str, branch: str = "dev", kind: str = "remote rejected") -> str:
    """Return the line of a refusal, as `git push --porcelain` prints it."""
    return f"!\trefs/heads/{branch}:refs/heads/{branch}\t[{kind}] ({reason})"


def read_one(out: str, err: str, *, has_hook: bool = False) -> Refusal:
    """Return why `dev` was refused."""
    return read_push(Said(out=f"To host:shop\n{out}\nDone", err=err), [PLACE], has_hook=has_hook)["dev"]


@pytest.mark.parametrize(
    ("err", "cause"),
    [
        ("fatal: could not read Username for 'https://host': terminal prompts disabled", Cause.AUTHENTICATION),
        ("fatal: Authentication failed for 'https://host/shop.git/'", Cause.AUTHENTICATION),
        (
            "git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.",
            Cause.AUTHENTICATION,
        ),
        ("Received disconnect from 1.2.3.4: Too many authentication failures", Cause.AUTHENTICATION),
        ("Host key verification failed.\nfatal: Could not read from remote repository.", Cause.HOST_KEY),
        ("No ED25519 host key is known for host and you have requested strict checking.", Cause.HOST_KEY),
        ("@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @", Cause.HOST_KEY),
        ("fatal: unable to access 'https://host/': The requested URL returned error: 403", Cause.READ_ONLY),
        ("ERROR: Permission to a/shop.git denied to b.\nfatal: Could not read from remote", Cause.READ_ONLY),
        ("ERROR: This repository was archived so it is read-only.", Cause.READ_ONLY),
        ("remote: Write access to repository not granted.", Cause.READ_ONLY),
        ("ERROR: The key you are authenticating with has been marked as read only.", Cause.READ_ONLY),
        ("ERROR: Repository not found.\nfatal: Could not read from remote repository.", Cause.NO_REPOSITORY),
        ("fatal: repository 'https://host/shop.git/' not found", Cause.NO_REPOSITORY),
        ("fatal: '/nowhere' does not appear to be a git repository", Cause.NO_REPOSITORY),
        ("fatal: detected dubious ownership in repository at '/srv/shop'", Cause.OWNER),
        ("fatal: unable to access 'https://host/': Could not resolve host: host", Cause.UNREACHABLE),
        ("ssh: Could not resolve hostname host: Name or service not known", Cause.UNREACHABLE),
        ("ssh: connect to host h port 22: Connection timed out", Cause.UNREACHABLE),
        ("ssh: connect to host h port 22: No route to host", Cause.UNREACHABLE),
        ("fatal: unable to access 'https://h/': Failed to connect to h port 443: Couldn't connect", Cause.UNREACHABLE),
        ("fatal: unable to look up h (port 9418) (Temporary failure in name resolution)", Cause.UNREACHABLE),
        ("fatal: unable to access 'https://h/': SSL certificate problem: certificate has expired", Cause.UNREACHABLE),
        ("error: RPC failed; HTTP 413 curl 22 The requested URL returned error: 413", Cause.SIZE),
        ("error: RPC failed; HTTP 503 curl 22 The requested URL returned error: 503", Cause.BROKEN_OFF),
        ("fatal: unable to access 'https://host/': The requested URL returned error: 502", Cause.BROKEN_OFF),
        ("error: RPC failed; curl 56 Recv failure: Connection reset by peer", Cause.BROKEN_OFF),
        ("fatal: early EOF\nfatal: index-pack failed", Cause.BROKEN_OFF),
        ("send-pack: unexpected disconnect while reading sideband packet", Cause.BROKEN_OFF),
        ("kex_exchange_identification: Connection closed by remote host", Cause.BROKEN_OFF),
        ("fatal: '/srv/protected/too large' does not appear to be a git repository", Cause.NO_REPOSITORY),
        ("fatal: unable to access 'https://protected.host/': The requested URL returned error: 500", Cause.BROKEN_OFF),
        ("git@protected: Permission denied (publickey).", Cause.AUTHENTICATION),
        ("error: something that nobody has met", Cause.UNKNOWN),
        ("", Cause.UNKNOWN),
    ],
)
def test_words_of_a_failure_give_its_cause_away(err: str, cause: Cause) -> None:
    """Each with a sentence, and a command to type."""
    refusal = explain(Said(err=err), PLACE)
    assert refusal.cause is cause
    assert refusal.why
    assert refusal.fix.startswith("git -C /home/ada/shop ")


@pytest.mark.parametrize(
    ("reason", "err", "cause", "why"),
    [
        ("fetch first", "", Cause.MOVED, "origin has commits of dev that are not here"),
        ("non-fast-forward", "", Cause.MOVED, "origin has commits of dev that are not here"),
        (
            "protected branch hook declined",
            "remote: error: GH006: Protected branch.    \nremote: error: Changes must be reviewed.     \n",
            Cause.PROTECTED,
            "origin protects dev: GH006: Protected branch.; Changes must be reviewed.",
        ),
        (
            "pre-receive hook declined",
            "remote: GitLab: You are not allowed to push code to protected branches on this project.\n",
            Cause.PROTECTED,
            "origin protects dev: GitLab: You are not allowed to push code to protected branches on this project.",
        ),
        (
            "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.",
            "",
            Cause.PROTECTED,
            "origin protects dev: ",
        ),
        (
            "pre-receive hook declined",
            "remote: error: File a is 123.00 MB; this exceeds GitHub's file size limit\nremote: error: GH001\n",
            Cause.SIZE,
            "it is too big for origin: File a is 123.00 MB; this exceeds GitHub's file size limit; GH001",
        ),
        (
            "push declined due to repository rule violations",
            "remote: error: GH013: Repository rule violations found for refs/heads/dev.\n",
            Cause.REMOTE_HOOK,
            "a hook of origin declined it: GH013: Repository rule violations found for refs/heads/dev.",
        ),
        (
            "pre-receive hook declined",
            "remote: no ticket: connection refused\n",
            Cause.REMOTE_HOOK,
            "a hook of origin decl",
        ),
        (
            "branch is currently checked out",
            "remote: error: refusing\n",
            Cause.CHECKED_OUT,
            "origin has dev checked out",
        ),
        ("shallow update not allowed", "", Cause.SHALLOW, "this clone is shallow"),
        (
            "failed to update ref",
            "remote: error: cannot lock ref 'refs/heads/dev'\n",
            Cause.BUSY,
            "origin could not change",
        ),
        (
            "unpacker error",
            "error: remote unpack failed: unable to create temporary object directory\n",
            Cause.READ_ONLY,
            "you may not write to origin",
        ),
        ("unpacker error", "remote: fatal: No space left on device\n", Cause.UNKNOWN, "No space left on device"),
    ],
)
def test_refusal_of_a_branch_is_explained(reason: str, err: str, cause: Cause, why: str) -> None:
    """By git's word for it, and by what the remote's hook says where that word is vague."""
    refusal = read_one(rejected(reason), f"{err}error: failed to push some refs to 'host:shop'")
    assert refusal.cause is cause
    assert refusal.why.startswith(why)


def test_only_a_lost_connection_and_a_lock_are_worth_another_try() -> None:
    """Neither a password, nor a hook, nor a deadline is."""
    worth = {cause for cause in Cause if Refusal(cause=cause, why="", fix="").is_transient}
    assert worth == {Cause.BUSY, Cause.BROKEN_OFF}
    assert not explain(Said(err="fatal: early EOF", is_late=True), PLACE).is_transient


def test_branch_that_was_taken_is_not_refused() -> None:
    """One push, two branches, two fates; a name that only ends alike is another branch's."""
    places = [
        PLACE,
        Place(root="/", remote="origin", branch="master"),
        Place(root="/", remote="origin", branch="x/dev"),
    ]
    out = "\n".join(
        (
            "To host:shop",
            " \trefs/heads/dev:refs/heads/dev\t1..2",
            rejected("protected branch hook declined", "master"),
            "=\trefs/heads/x/dev:refs/heads/x/dev\t[up to date]",
        )
    )
    assert set(read_push(Said(out=out), places, has_hook=True)) == {"master"}


def test_branch_that_one_of_two_urls_refused_is_refused() -> None:
    """In either order."""
    taken, refused = " \trefs/heads/dev:refs/heads/dev\t1..2", rejected("pre-receive hook declined")
    for out in (f"{taken}\n{refused}", f"{refused}\n{taken}"):
        assert read_one(out, "").cause is Cause.REMOTE_HOOK


def test_own_hook_is_told_from_a_connection_that_broke_off() -> None:
    """Both end with the same line of git's."""
    last = "error: failed to push some refs to 'host:shop'"
    said = Said(err=f"lint\n\x1b[31mfatal: 3 problems\x1b[0m\n{last}")
    assert read_push(said, [PLACE], has_hook=True)["dev"].why.endswith("stopped it: lint; 3 problems")
    assert read_push(said, [PLACE], has_hook=False)["dev"].cause is Cause.UNKNOWN

    broken = Said(err=f"send-pack: unexpected disconnect\nfatal: the remote end hung up unexpectedly\n{last}")
    assert read_push(broken, [PLACE], has_hook=True)["dev"].cause is Cause.BROKEN_OFF


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\x1b[2J\x1b]0;title\x07red \x1b[31malert\x1b[0m", "red alert"),
        ("10%\r100%\r\ndone\x00\x08\x9b", "10%\n100%\n\ndone"),
        ("https://ada:s3cret@host/x and ssh://git@host/y", "https://host/x and ssh://host/y"),
    ],
)
def test_text_from_outside_is_made_harmless(text: str, kept: str) -> None:
    """No escape, no control code, no password."""
    assert plain(text) == kept


def test_long_words_of_a_hook_are_cut() -> None:
    """The last three lines, none without end."""
    err = "".join(f"remote: line {number} {'x' * 1000}\n" for number in range(100))
    refusal = read_one(rejected("pre-receive hook declined"), err)
    assert "line 96" not in refusal.why
    assert "line 99" in refusal.why
    assert len(refusal.why) < 1000


@pytest.mark.parametrize("once", ["x", "a'", "exceeds ", "://", "a://"])
def test_a_megabyte_in_one_line_is_looked_at_and_cut(once: str) -> None:
    """A hook may print what it built; a search of all of it would take the square of its length."""
    refusal = explain(
        Said(err=once * (1_000_000 // len(once)) + "\nfatal: Connection refused"),
        Place(root="/", remote="o", branch="b"),
    )
    assert refusal.cause is Cause.UNREACHABLE
    assert len(refusal.why) < 1000


def test_commands_can_be_typed_whatever_the_names() -> None:
    """Blanks and quotes in a folder's name."""
    place = Place(root="/home/ada/my shop", remote="gone", branch="it's")
    assert refuse_unknown_remote(place, ()).fix == "git -C '/home/ada/my shop' remote add gone URL"
    assert explain(Said(err="x"), place).fix == """git -C '/home/ada/my shop' push gone 'it'"'"'s'"""
