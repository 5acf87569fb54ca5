"""What a mirror run decides, from values alone: what is copied, deleted, left as it is, and remembered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devenv.sync.mirroring import Content, Found, Kind, Manifest, MirrorPlan, Record, Wanted, plan_mirror, settle

OLD, NEW, MINE = Content(digest="old"), Content(digest="new"), Content(digest="mine")
NOTHING = Found()


def wanted(content: Content) -> Wanted:
    """Return a file that the source has."""
    return Wanted(content=content)


def found(content: Content, inode: int = 1) -> Found:
    """Return a file that is in the target."""
    stamp = (1, inode, 3, 4, 5)
    return Found(kind=content.kind, content=content, stamp=stamp, proof=stamp)


def record(content: Content, *, is_ours: bool = True, inode: int = 0) -> Record:
    """Return what a run left."""
    return Record(source=content, put=content, is_ours=is_ours, target_proof=(1, inode, 3, 4, 9) if inode else ())


def plan(
    source: dict[str, Content], there: dict[str, Found], records: dict[str, Record] | None = None, spared: str = ""
) -> MirrorPlan:
    """Plan a run."""
    manifest = Manifest(records=records or {})
    sources = {path: wanted(content) for path, content in source.items()}
    return plan_mirror(sources, there, manifest, lambda path: path == spared)


def obstacles(made: MirrorPlan) -> dict[str, str]:
    """Return what is left as it is, and why."""
    return {one.path: one.why for one in made.obstacles}


@pytest.mark.parametrize(
    ("source", "there", "known", "outcome"),
    [
        (NEW, NOTHING, None, "copy"),
        (NEW, NOTHING, record(OLD), "copy"),  # somebody deleted it: nothing to lose
        (NEW, found(OLD), record(OLD), "copy"),
        (NEW, found(OLD), record(OLD, is_ours=False), "copy"),
        (NEW, found(NEW), None, "adopt"),
        (NEW, found(NEW), record(OLD), "adopt"),
        (NEW, found(MINE), None, "it is not from a mirror run"),
        (NEW, found(MINE), record(OLD), "it was edited there"),
        (NEW, found(MINE), record(NEW), "it was edited there"),
        (NEW, found(OLD), record(NEW), "it was edited there"),
        (NEW, Found(kind=Kind.OTHER), record(NEW), "a pipe, socket or device is there, where the source has a file"),
        (
            NEW,
            Found(kind=Kind.SHUT),
            record(NEW),
            "something that cannot be read is there, where the source has a file",
        ),
        (None, found(OLD), record(OLD), "delete"),
        (None, found(OLD), record(OLD, is_ours=False), "keep"),
        (None, found(MINE), record(OLD), "it was edited there, and the source no longer has it"),
        (None, Found(kind=Kind.SHUT), record(OLD), "it cannot be read"),
        (None, NOTHING, record(OLD), "forget"),
        (None, Found(kind=Kind.FOLDER, inside=("a/b",)), record(OLD), "forget"),
        (None, Found(behind="b"), record(OLD), "forget"),
    ],
)
def test_each_file_has_one_outcome(source: Content | None, there: Found, known: Record | None, outcome: str) -> None:
    """The whole table, of what the source has, what is there, and what a run left."""
    made = plan({"a": source} if source else {}, {"a": there}, {"a": known} if known else {})
    assert made.copies == (("a",) if outcome == "copy" else ())
    assert made.deletes == (("a",) if outcome == "delete" else ())
    assert [one.path for one in made.strangers] == (["a"] if outcome == "keep" else [])
    assert obstacles(made) == ({} if outcome in {"copy", "adopt", "delete", "keep", "forget"} else {"a": outcome})
    if outcome == "adopt":
        assert made.records["a"].put == NEW
        assert made.records["a"].is_ours is bool(known)
    if outcome == "forget":
        assert "a" not in made.records
    if source is None and obstacles(made):
        assert made.records["a"].put == OLD, "or the next run would not know it any more"


def test_permissions_and_links_are_content_too() -> None:
    """A script that lost its permission, or a link in the place of a file, is not what a run put there."""
    runnable = Content(digest="old", is_executable=True)
    link = Content(kind=Kind.LINK, digest="old")
    for other in (runnable, link):
        assert obstacles(plan({"a": OLD}, {"a": found(other)}, {"a": record(OLD)})) == {"a": "it was edited there"}


def test_file_system_without_permissions_is_not_copied_to_again_and_again() -> None:
    """What was put there is compared with what is there, and what it was made from with the source."""
    runnable = Content(digest="old", is_executable=True)
    known = Record(source=runnable, put=OLD)
    made = plan({"a": runnable}, {"a": found(OLD)}, {"a": known})
    assert (made.copies, obstacles(made)) == ((), {})
    assert plan({"a": NEW}, {"a": found(OLD)}, {"a": known}).copies == ("a",)


def test_spared_file_is_neither_deleted_nor_forgotten() -> None:
    """The source has it, but it is not copied: it may be copied again one day."""
    made = plan({}, {"a": found(OLD)}, {"a": record(OLD)}, spared="a")
    assert (made.deletes, obstacles(made)) == ((), {})
    assert made.records["a"].put == OLD


def test_proof_of_an_edited_file_is_not_kept() -> None:
    """A stamp proves the content that a run put: on other content it would hide the edit for good."""
    for source in ({}, {"a": NEW}):
        assert plan(source, {"a": found(MINE)}, {"a": record(OLD, inode=1)}).records["a"].target_proof == ()
    assert plan({}, {"a": found(MINE)}, {"a": record(OLD)}, spared="a").records["a"].target_proof == ()


def test_folder_gives_way_only_where_all_in_it_goes() -> None:
    """The first file that stays is named."""
    there = {"a": Found(kind=Kind.FOLDER, inside=("a/x", "a/y")), "a/x": found(OLD), "a/y": found(MINE, 2)}
    made = plan({"a": NEW}, there, {"a/x": record(OLD)})
    assert made.copies == ()
    assert obstacles(made) == {"a": "a folder is there, where the source has a file; it holds a/y"}
    made = plan({"a": NEW}, there | {"a/y": found(OLD, 2)}, {"a/x": record(OLD), "a/y": record(OLD)})
    assert (made.copies, made.deletes) == (("a",), ("a/x", "a/y"))


def test_file_gives_way_to_a_folder_only_where_a_run_put_it_there() -> None:
    """It is named once, however many files the source has in its folder."""
    there = {"a": found(OLD), "a/x": Found(behind="a"), "a/y": Found(behind="a")}
    made = plan({"a/x": NEW, "a/y": NEW}, there, {"a": record(OLD)})
    assert (made.copies, made.deletes) == (("a/x", "a/y"), ("a",))
    made = plan({"a/x": NEW, "a/y": NEW}, there)
    assert made.copies == ()
    assert obstacles(made) == {"a": "a file is there, where the source has a folder"}


def test_name_that_differs_only_in_case_is_not_a_second_file() -> None:
    """Where the file system takes both for one, only the one that goes makes room, and none is deleted by its alias."""
    there = {"readme": Found(spelled="README"), "README": found(OLD)}
    made = plan({"readme": NEW}, there, {"README": record(OLD)})
    assert (made.copies, made.deletes) == (("readme",), ("README",))
    made = plan({"readme": NEW}, there)
    assert made.copies == ()
    assert obstacles(made) == {"readme": "README is there, and the file system takes both for one name"}
    assert plan({"README": OLD}, there, {"readme": record(OLD), "README": record(OLD)}).deletes == ()


def test_run_that_was_killed_is_settled_by_what_is_there() -> None:
    """What has the inode that was noted is ours, whether it was there before or not; anything else is not."""
    coming = record(NEW, inode=7)
    manifest = Manifest(records={"a": record(OLD)}, coming={"a": coming, "b": coming, "c": coming}, staged=("x",))
    there = {"a": found(OLD, 2), "b": found(NEW, 7), "c": found(NEW, 8)}
    settled = settle(manifest, there)
    assert {path: one.put for path, one in settled.records.items()} == {"a": OLD, "b": NEW}
    assert settled.staged == ("x",), "whoever removes those needs their names"
    assert not settled.coming
    assert settled.records["b"].target_proof == there["b"].proof


def test_deletion_that_was_killed_is_settled_by_what_is_there() -> None:
    """A file that is the same as noted is still to be deleted; one that was restored meanwhile is somebody's."""
    stamp = found(OLD, 1).stamp
    manifest = Manifest(records=dict.fromkeys("abc", record(OLD)), going=dict.fromkeys("abc", stamp))
    settled = settle(manifest, {"a": found(OLD, 1), "b": found(OLD, 2), "c": NOTHING})
    assert set(settled.records) == {"a"}
    assert settled.gone == {"c"}
    assert not settled.going


PATHS = st.sampled_from(["a", "b", "a/x", "a/y", "b/x/z"])
CONTENTS = st.builds(
    Content,
    kind=st.sampled_from([Kind.FILE, Kind.LINK]),
    digest=st.sampled_from("12"),
    is_executable=st.booleans(),
)
FOUNDS = st.one_of(
    CONTENTS.map(found),
    st.builds(Found, kind=st.sampled_from([Kind.NOTHING, Kind.OTHER, Kind.SHUT, Kind.REPOSITORY])),
    st.builds(Found, kind=st.just(Kind.FOLDER), inside=st.lists(PATHS).map(tuple)),
    st.builds(Found, behind=st.sampled_from("ab")),
    st.builds(Found, spelled=PATHS),
)
RECORDS = st.builds(Record, source=CONTENTS, put=CONTENTS, is_ours=st.booleans())


@given(
    source=st.dictionaries(PATHS, CONTENTS),
    there=st.fixed_dictionaries(dict.fromkeys(("a", "b", "a/x", "a/y", "b/x/z"), FOUNDS)),
    records=st.dictionaries(PATHS, RECORDS),
)
def test_nothing_but_what_a_run_put_there_is_ever_changed(
    source: dict[str, Content], there: dict[str, Found], records: dict[str, Record]
) -> None:
    """Whatever the three say: what is overwritten or deleted is exactly what a run left, and deletions are ours."""
    made = plan(source, there, records)
    for path in made.copies:
        assert path in source
        content = there[path].content
        assert content is None or content == records[path].put
    for path in made.deletes:
        assert path not in source
        assert records[path].is_ours
        assert there[path].content == records[path].put
    left_alone = set(obstacles(made))
    assert not left_alone.intersection(made.deletes)
    for path in source:
        blocked = {path, there[path].behind, there[path].spelled} & left_alone
        assert path in made.copies or path in made.records or blocked, "nothing of the source is passed over in silence"
