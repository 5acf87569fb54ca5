"""Paths, folders, locks and claims of stacks, each below a folder of the test's own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devenv.adapters.state.claims import KnownStack, claim_project, list_stacks
from devenv.adapters.state.paths import (
    SOCKET_PATH_BYTES,
    Lock,
    StatePaths,
    create_private,
    locate,
    state_home,
    translate,
)
from devenv.domain.errors import HostError


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Return an environment that keeps everything below the test's folder."""
    (tmp_path / "run").mkdir(mode=0o700)
    return {"DEVENV_STATE_DIR": str(tmp_path / "state"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}


def test_key_differs_when_folder_or_project_differ(tmp_path: Path, environ: dict[str, str]) -> None:
    """Two checkouts, and two projects of one checkout, are apart."""
    keys = {
        locate(tmp_path / "a", environ=environ).key,
        locate(tmp_path / "b", environ=environ).key,
        locate(tmp_path / "a", "other", environ=environ).key,
    }
    assert len(keys) == 3
    assert {len(key) for key in keys} == {12}


def test_key_is_the_same_when_the_folder_is_reached_by_a_link(tmp_path: Path, environ: dict[str, str]) -> None:
    """A stack is its real folder."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert locate(tmp_path / "link", environ=environ) == locate(tmp_path / "real", environ=environ)


def test_locate_creates_nothing(tmp_path: Path, environ: dict[str, str]) -> None:
    """Asking where is not making."""
    locate(tmp_path, environ=environ)
    assert not (tmp_path / "state").exists()


def test_create_makes_private_folders(tmp_path: Path, environ: dict[str, str]) -> None:
    """Nobody else may look in."""
    paths = locate(tmp_path, environ=environ)
    paths.create()
    folders = (paths.home, paths.folder, paths.logs, paths.crash, paths.socket.parent)
    assert {folder.stat().st_mode & 0o777 for folder in folders} == {0o700}


def test_create_takes_rights_away_when_a_folder_is_open_to_others(tmp_path: Path) -> None:
    """A folder made by hand is closed."""
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    create_private(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_create_refuses_when_the_folder_is_a_link(tmp_path: Path) -> None:
    """A link in /tmp may be another user's trap."""
    (tmp_path / "trap").symlink_to(tmp_path)
    with pytest.raises(HostError, match="trap") as caught:
        create_private(tmp_path / "trap")
    assert caught.value.why == "a symbolic link"


def test_create_refuses_when_the_folder_is_anothers(tmp_path: Path) -> None:
    """Another user's folder is named, with the user."""
    theirs = Path("/usr")
    if os.getuid() == 0:
        theirs = tmp_path / "theirs"
        theirs.mkdir()
        os.chown(theirs, 12345, 12345)
    with pytest.raises(HostError, match=str(theirs)) as caught:
        create_private(theirs)
    assert f"user id {theirs.stat().st_uid}" in caught.value.why


def test_create_refuses_when_a_file_is_in_the_way(tmp_path: Path) -> None:
    """A file is no folder."""
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match="file"):
        create_private(tmp_path / "file")


def test_home_may_be_a_link_when_it_is_the_users(tmp_path: Path, environ: dict[str, str]) -> None:
    """State may live on another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to("disk")
    locate(tmp_path, environ=environ).create()
    assert list((tmp_path / "disk").iterdir())


def test_state_home_is_the_platforms_when_nothing_is_given() -> None:
    """Without an override it is the platform's place."""
    assert state_home({}).name == "devenv"


def test_socket_is_in_the_runtime_folder_when_usable(tmp_path: Path, environ: dict[str, str]) -> None:
    """The user's runtime folder is preferred, where it is short enough."""
    socket = locate(tmp_path, environ=environ).socket
    expected = tmp_path / "run" / "devenv"
    assert socket.parent == expected or len(os.fsencode(expected)) > SOCKET_PATH_BYTES - 20


@pytest.mark.parametrize("given", ["", "relative", "/nonexistent", "LONG"])
def test_socket_is_below_tmp_when_the_runtime_folder_is_not_usable(
    tmp_path: Path, environ: dict[str, str], given: str
) -> None:
    """A missing, relative or too long folder is not used, and the path fits."""
    if given == "LONG":
        given = str(tmp_path / ("x" * 90))
        Path(given).mkdir()
    socket = locate(tmp_path, environ={**environ, "XDG_RUNTIME_DIR": given}).socket
    assert str(socket.parent) == f"/tmp/devenv-{os.getuid()}"
    assert len(os.fsencode(socket)) <= SOCKET_PATH_BYTES


def test_lock_is_refused_when_held(tmp_path: Path) -> None:
    """One holder at a time, by descriptor, and its pid is told."""
    first, second = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert first.acquire()
    assert not second.acquire()
    assert second.holder_pid() == os.getpid()
    first.release()
    assert second.acquire()
    second.release()


def test_lock_is_free_when_its_file_is_left_over(tmp_path: Path) -> None:
    """A file without a holder locks nobody out."""
    (tmp_path / "lock").write_text("99999999\nold rubbish")
    lock = Lock(tmp_path / "lock")
    assert lock.acquire()
    assert lock.holder_pid() == os.getpid()
    lock.release()


def test_claim_is_refused_when_another_checkout_has_it(tmp_path: Path) -> None:
    """The second checkout of a project must take another name."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    home = tmp_path / "state"
    assert claim_project(home, "shop", str(tmp_path / "a"))
    assert not claim_project(home, "shop", str(tmp_path / "b"))
    assert claim_project(home, "shop", str(tmp_path / "a"))
    assert claim_project(home, "shop2", str(tmp_path / "b"))


def test_claim_is_taken_over_when_its_checkout_is_gone(tmp_path: Path) -> None:
    """A removed checkout does not keep its name."""
    home = tmp_path / "state"
    assert claim_project(home, "shop", str(tmp_path / "gone"))
    assert claim_project(home, "shop", str(tmp_path))


@pytest.mark.parametrize("name", ["../up", "a/b", ".", "", "x" * 300, "naïve", ".lock"])
def test_claim_stays_in_its_folder_when_the_name_is_odd(tmp_path: Path, name: str) -> None:
    """No name reaches outside."""
    assert claim_project(tmp_path / "state", name, str(tmp_path))
    assert not claim_project(tmp_path / "state", name, "/")
    assert len(list((tmp_path / "state" / "projects").glob("*.json"))) == 1


def test_claim_is_taken_when_its_file_is_broken(tmp_path: Path) -> None:
    """Half a claim is none."""
    home = tmp_path / "state"
    claim_project(home, "shop", "/")
    (home / "projects" / "shop.json").write_text('{"root": ')
    assert claim_project(home, "shop", str(tmp_path))


def test_list_stacks_names_all_that_have_a_record(tmp_path: Path) -> None:
    """Broken and foreign records are passed over."""
    for key, text in (("k1", '{"stack": "shop", "root": "/src"}'), ("k2", "{"), ("k3", "[]")):
        (tmp_path / key).mkdir()
        (tmp_path / key / "record.json").write_text(text)
    assert list_stacks(tmp_path) == (KnownStack(key="k1", root="/src", name="shop"),)


def test_translate_says_disk_full_when_it_is() -> None:
    """ENOSPC is a sentence with a command."""
    error = translate(OSError(28, "No space left on device"), "cannot write x")
    assert (error.why, error.fix) == ("the disk is full: No space left on device", "df -h")


def test_paths_are_values(tmp_path: Path) -> None:
    """The paths of a stack hang together."""
    paths = StatePaths(key="k", root="/", home=tmp_path, socket=tmp_path / "s")
    assert paths.record == tmp_path / "k" / "record.json"
    assert {paths.logs.parent, paths.crash.parent, paths.lock.parent, paths.daemon_log.parent} == {tmp_path / "k"}
