"""Random repositories, remotes and faults: whatever happens to a sync, nothing that was there before is lost.

The judge is `tests.support.git_ledger`, which knows nothing of devenv. With SYNC_EXAMPLES=2000 in the environment it
looks for longer, and shrinks what it finds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from devenv.domain.git_rules import CommitPolicy, GitRules, MirrorRule, Promotion, SyncRules
from devenv.domain.syncing import MirrorReport, Outcome, PushRow, SyncReport
from tests.support import processes
from tests.support.git import Repository, git_environment, make_repository
from tests.support.git_lab import (
    BRANCHES,
    CONFIGS,
    FAULTS,
    IGNORED,
    KEY,
    LOCAL_HOOKS,
    MARKERS,
    MOVES,
    PATHS,
    SECRETS,
    SERVERS,
    STATES,
    Blueprint,
    Commit,
    Edit,
    Lab,
    Remote,
    build,
    wrap_git,
)
from tests.support.git_ledger import (
    File,
    Ledger,
    blob_of,
    find_blobs,
    find_debris,
    find_losses,
    find_moves_back,
    find_unsaved,
    is_ancestor,
    reachable_objects,
    read_ledger,
)
from tests.support.git_syncer import Answer, Syncer, open_syncer
from tests.support.wait import until

LONG = int(os.environ.get("SYNC_EXAMPLES", "0"))
_FOUND_AT_ONCE = (Phase.explicit, Phase.generate)
THOROUGH = settings(
    max_examples=LONG or 40,
    deadline=None,
    database=None,
    print_blob=True,
    phases=(*_FOUND_AT_ONCE, Phase.shrink) if LONG else _FOUND_AT_ONCE,  # shrinking takes minutes
    suppress_health_check=list(HealthCheck),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong at which git command, counted from 1; `how` is '' where nothing does."""

    how: str = ""
    at: int = 0


@pytest.fixture(scope="module")
def syncer() -> Iterator[Syncer]:
    """Give what runs syncs in processes of their own."""
    with open_syncer() as made:
        yield made


# -- what is drawn

PATH = st.sampled_from((*PATHS, *PATHS, *IGNORED, *SECRETS))
FAULT = st.builds(Fault, how=st.sampled_from(("", "", *FAULTS)), at=st.integers(1, 48))


@st.composite
def edits(draw: st.DrawFn) -> tuple[Edit, ...]:
    """Draw what is done to a few paths, some of them more than once."""
    paths = draw(st.lists(PATH, min_size=1, max_size=4, unique=True))
    moves = draw(st.lists(st.tuples(st.sampled_from(paths), st.sampled_from(MOVES)), min_size=1, max_size=5))
    return tuple(Edit(how=how, path=path) for path, hows in moves for how in hows)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Commit, ...]:
    """Draw commits: mostly a line, with forks, merges, and now and then a second root."""
    commits = [Commit(written=("a", "dir/c"))]
    for number in range(1, draw(st.integers(1, 7))):
        near = number - 1
        parents = draw(st.sampled_from([(near,), (near,), (near,), (near // 2,), (0,), (near, near // 2), ()]))
        written = draw(st.lists(st.sampled_from(PATHS), min_size=1, max_size=2))
        linked = draw(st.lists(st.sampled_from(["b.txt", "link"]), max_size=1))
        removed = draw(st.lists(st.sampled_from(["a", "dir"]), max_size=1))
        commits.append(
            Commit(
                parents=tuple(dict.fromkeys(parents)),
                written=tuple(written),
                linked=tuple(linked),
                removed=tuple(removed),
            )
        )
    return tuple(commits)


@st.composite
def blueprints(draw: st.DrawFn) -> Blueprint:
    """Draw a repository in any state, with up to three remotes in any relation to it."""
    commits = draw(histories())
    number = st.integers(0, len(commits) - 1)
    names = draw(st.lists(st.sampled_from(BRANCHES), min_size=1, max_size=3, unique=True))
    branches = {name: draw(number) for name in names} if draw(st.integers(0, 15)) != 15 else {}
    remotes = []
    for name in ("one", "two", "three")[: draw(st.integers(1, 3))]:
        there = {
            branch: commit if draw(st.booleans()) else draw(number)
            for branch, commit in branches.items()
            if draw(st.integers(0, 3)) != 3
        }
        known = {branch: draw(number) for branch in draw(st.lists(st.sampled_from(BRANCHES), max_size=2, unique=True))}
        server = draw(st.sampled_from(("open",) * 6 + SERVERS))
        remotes.append(Remote(name=name, branches=tuple(there.items()), known=tuple(known.items()), server=server))
    return Blueprint(
        commits=commits,
        branches=tuple(branches.items()),
        head=draw(st.sampled_from(names)),
        other=draw(number),
        stashes=tuple(draw(st.lists(edits(), max_size=2))),
        state=draw(st.sampled_from(("plain",) * 10 + STATES)),
        edits=draw(st.one_of(st.just(()), edits(), edits(), edits())),
        remotes=tuple(remotes),
        config=tuple(draw(st.lists(st.sampled_from(CONFIGS), max_size=2, unique=True))),
        failing_hooks=draw(st.sampled_from(((),) * 8 + tuple((hook,) for hook in LOCAL_HOOKS))),
        has_worktree=draw(st.booleans()),
        has_nested=draw(st.integers(0, 7)) == 7,
    )


@st.composite
def sync_rules(draw: st.DrawFn) -> SyncRules:
    """Draw what is asked for, for a repository that is not known yet."""
    source, target = draw(st.permutations(BRANCHES))[:2]
    return SyncRules(
        repos=(),
        remotes=tuple(draw(st.sampled_from([("one", "two", "three"), ("one",), ("two", "one"), ("one", "nowhere")]))),
        branches=tuple(draw(st.lists(st.sampled_from((*BRANCHES, "absent")), max_size=3, unique=True))),
        promote=draw(st.sampled_from([None, Promotion(source=source, target=target)])),
        commit=draw(st.sampled_from([CommitPolicy.NEVER, CommitPolicy.AUTO, CommitPolicy.AUTO, CommitPolicy.ASK])),
        timeout_s=20,
    )


# -- the properties


@pytest.mark.timeout(0 if LONG else 300)
@THOROUGH
@given(
    blueprint=blueprints(), rules=sync_rules(), fault=FAULT, dry_first=st.integers(0, 3).map(lambda number: number == 3)
)
def test_no_fault_loses_anything_and_a_second_run_completes(
    syncer: Syncer, blueprint: Blueprint, rules: SyncRules, fault: Fault, dry_first: bool
) -> None:
    """Commits, stashes, index, files and remote refs survive any fault; the run after it does what it can."""
    folder = Path(mkdtemp(prefix="sync"))
    try:
        trial = _begin(build(blueprint, folder), blueprint, rules)
        if dry_first:
            trial.run_dry(syncer)
        trial.run(syncer, fault)
        trial.expect_no_loss("after the fault")
        answer = trial.run(syncer, Fault())
        trial.expect_no_loss("after the second run", is_settled=True)
        trial.expect_complete(answer)
        if not fault.how:
            trial.expect_index_only_changed_by_a_commit()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """One example: what was built, what is asked for, and what was there before.

    `secrets` are blobs that no remote may get, `unsaved` those that no commit has.
    """

    lab: Lab
    blueprint: Blueprint
    rules: GitRules
    before: Ledger
    remotes_before: dict[str, dict[str, str]]
    secrets: frozenset[str]
    unsaved: frozenset[str]
    debris_before: tuple[str, ...]

    @property
    def sync(self) -> SyncRules:
        assert self.rules.sync is not None
        return self.rules.sync

    @property
    def linked(self) -> tuple[Repository, ...]:
        return (self.lab.linked,) if self.lab.linked else ()

    @property
    def branches(self) -> tuple[str, ...]:
        """Return the branches that are asked for, as names."""
        here = self.before.trees[self.lab.work.folder].branch.removeprefix("refs/heads/")
        return self.sync.branches or ((here,) if here else ())

    def run(self, syncer: Syncer, fault: Fault, *, dry_run: bool = False) -> Answer:
        """Run a sync under a fault."""
        return run_sync_under(syncer, self.lab.folder, self.rules, fault, dry_run=dry_run)

    def run_dry(self, syncer: Syncer) -> None:
        """See that a dry run changes nothing anywhere."""
        self.run(syncer, Fault(), dry_run=True)
        self.expect_no_loss("after the dry run")
        assert self.lab.work.refs() == self.before.refs, "a dry run moved a ref"
        for name, remote in self.lab.remotes.items():
            assert remote.refs() == self.remotes_before[name], f"a dry run moved a ref of {name}"

    def expect_no_loss(self, when: str, *, is_settled: bool = False) -> None:
        """Hold everything against what was there before; when it is settled, a commit of HEAD alone has a ref."""
        is_kept = self.sync.commit is not CommitPolicy.AUTO
        here = self.before.trees[self.lab.work.folder].branch.removeprefix("refs/heads/")
        found = find_losses(
            self.before, self.lab.work, *self.linked, commits_on="" if is_kept else here, by_head=not is_settled
        )
        allowed = {f"refs/heads/{branch}" for branch in self.branches}
        for name, remote in self.lab.remotes.items():
            found += find_moves_back(remote, self.remotes_before[name], allowed=allowed)
            found += [f"{name} got the secret {blob}" for blob in find_blobs(remote, self.secrets)]
        assert not found, f"{when}:\n" + "\n".join(found)

    def expect_index_only_changed_by_a_commit(self) -> None:
        """See that the index is as it was where no commit was made."""
        work = self.lab.work
        before, after = self.before.trees[work.folder], read_ledger(work).trees[work.folder]
        assert before.index == after.index or before.head != after.head, (before.index, after.index)

    def expect_complete(self, answer: Answer) -> None:
        """Hold an undisturbed run against what was possible, and its report against the remotes."""
        assert answer.report is not None
        (report,) = answer.report.repositories
        rows = {(row.branch, row.remote): row for row in report.rows}
        assert len(rows) == len(report.rows), report.rows
        for branch in self.branches:
            ours = self.lab.work.tip(f"refs/heads/{branch}")
            for name in self.sync.remotes if ours else ():
                row = rows.pop((branch, name))
                self._expect_row(branch, name, ours, row)
        left = [row for row in rows.values() if row.is_done]
        assert not left, f"rows of what nobody asked for: {left}"
        self._expect_kept(answer.report)
        assert not list((self.lab.folder / "tmp").iterdir()), "temporary files are left"
        debris = set(find_debris(self.lab.work)) - set(self.debris_before)
        assert not debris, debris

    def _expect_row(self, branch: str, name: str, ours: str, row: PushRow) -> None:
        remote = self.lab.remotes.get(name)
        theirs = remote.tip(f"refs/heads/{branch}") if remote else ""
        if row.outcome in {Outcome.PUSHED, Outcome.THERE}:
            assert theirs == ours, f"{row}: the remote has {theirs!r}, and here is {ours}"
            return
        assert theirs != ours or self._is_excused(branch, name), f"{row}: the remote has it"
        assert row.outcome is not Outcome.TO_PUSH
        if row.outcome is Outcome.BEHIND:
            assert remote is not None
            assert is_ancestor(remote, ours, theirs), row
        if row.outcome is Outcome.FAILED:
            assert row.why, row
            assert row.fix, row
            assert self._is_excused(branch, name), f"{row}: nothing stood in the way"
        if remote is not None and row.outcome in {Outcome.BEHIND, Outcome.DIVERGED}:
            assert not is_ancestor(self.lab.work, theirs, ours), f"{row}: it could have been pushed"

    def _is_excused(self, branch: str, remote: str) -> bool:
        """Tell whether something was built to stand in the way of a push there."""
        servers = {one.name: one.server for one in self.blueprint.remotes}
        server = servers.get(remote, "missing")
        is_open = server in {"open", "fails after"} or (server == "refuses master" and branch != "master")
        return not is_open or "pre-push" in self.blueprint.failing_hooks or self.blueprint.state == "shallow"

    def _expect_kept(self, report: SyncReport) -> None:
        """See that a ref leads to everything that is not committed, unless the report says that this failed."""
        (one,) = report.repositories
        if one.committed is not None or any(remark.blocks for remark in one.remarks):
            return  # what is left out of a commit stays where it is
        lost = self.unsaved - reachable_objects(self.lab.work, self.lab.work.refs().values())
        assert not lost, [self.lab.work.git("cat-file", "-p", blob, check=False) or blob for blob in lost]


def run_sync_under(syncer: Syncer, folder: Path, rules: GitRules, fault: Fault, *, dry_run: bool = False) -> Answer:
    """Run a sync under a fault and wait until all that it started has ended."""
    shutil.rmtree(folder / "faults", ignore_errors=True)
    for name in ("faults", "tmp", "home"):
        (folder / name).mkdir(exist_ok=True)
    faults = {"LAB_FOLDER": str(folder / "faults"), "LAB_AT": str(fault.at), "LAB_FAULT": fault.how}
    path = f"{wrap_git(folder)}:{os.environ['PATH']}" if fault.how else os.environ["PATH"]
    places = {"PATH": path, "TMPDIR": str(folder / "tmp"), "HOME": str(folder / "home")}
    answer = syncer.sync(rules, {**git_environment(), **faults, **places}, folder / "answer", dry_run=dry_run)
    assert answer.status == 0 or fault.how in {"devenv killed", "both killed"}, (
        f"ended by {answer.status} under {fault}"
    )
    assert answer.raised in {"", "KeyboardInterrupt" if fault.how == "interrupted" else ""}, answer.words
    until(lambda: not processes.list_carrying(str(folder)), deadline_s=10, what="the end of every git", poll_s=0.05)
    return answer


def _begin(lab: Lab, blueprint: Blueprint, sync: SyncRules) -> _Trial:
    """Write down what is there."""
    work = lab.work
    before = read_ledger(work, *((lab.linked,) if lab.linked else ()))
    texts = [
        file.content
        for tree in before.trees.values()
        for path, file in tree.files.items()
        if _is_secret(path, file.content)
    ]
    return _Trial(
        lab=lab,
        blueprint=blueprint,
        rules=GitRules(root=str(lab.folder), sync=replace(sync, repos=(str(work.folder),))),
        before=before,
        remotes_before={name: remote.refs() for name, remote in lab.remotes.items()},
        secrets=frozenset(blob_of(text) for text in texts),
        unsaved=find_unsaved(work, before),
        debris_before=tuple(find_debris(work)),
    )


def _is_secret(path: str, content: bytes) -> bool:
    """Tell whether no commit may take a file: by its name, or by what is in it."""
    return Path(path).name.startswith(".env") or KEY.encode() in content or MARKERS.encode() in content


# -- mirrors

NAME = st.sampled_from(("a", "b.txt", "deep/c", "-lead", "new\nline", "bad\udcff", 'quo"te'))


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """One thing done to a file in the source or in the target of a mirror; `text` '' deletes it, `{}` is a new text."""

    in_target: bool
    path: str
    text: str
    is_staged: bool


@st.composite
def touches(draw: st.DrawFn) -> tuple[list[Touch], list[Touch]]:
    """Draw what is done to two files before the first run, and between it and the next."""
    names = draw(st.lists(NAME, min_size=1, max_size=2, unique=True))
    touch = st.builds(
        Touch,
        in_target=st.booleans(),
        path=st.sampled_from(names),
        text=st.sampled_from(("", "{}", "the same on both sides\n")),
        is_staged=st.booleans(),
    )
    return draw(st.lists(touch, max_size=5)), draw(st.lists(touch, max_size=5))


@pytest.mark.timeout(0 if LONG else 300)
@settings(THOROUGH, max_examples=LONG or 30)
@given(
    touched=touches(),
    has_run=st.booleans(),
    message=st.sampled_from(["", "chore: mirror"]),
    fault=FAULT,
)
def test_no_mirror_touches_what_no_mirror_put_there(
    syncer: Syncer, touched: tuple[list[Touch], list[Touch]], has_run: bool, message: str, fault: Fault
) -> None:
    """Whatever was in the target of its own, or was edited there, survives any fault; the source is only read."""
    folder = Path(mkdtemp(prefix="mirror"))
    try:
        source, target = (make_repository(folder / name) for name in ("work", "target"))
        for one in (source, target):
            one.commit("outside", f"{one.folder.name}\n")
            one.write("part/always", "always\n" if one is source else "of the target\n")
        rule = MirrorRule(source=str(source.folder / "part"), target=str(target.folder / "part"), commit=message)
        rules = GitRules(root=str(source.folder), mirrors=(rule,))
        _touch(touched[0], source, target, "before")
        brought: dict[str, File] = {}
        if has_run:
            ours = _files(target)
            run_sync_under(syncer, folder, rules, Fault())
            brought = {path: file for path, file in _files(target).items() if ours.get(path) != file}
        _touch(touched[1], source, target, "between")
        kept, was = read_ledger(source), read_ledger(target)
        was_there = was.trees[target.folder].files
        own = {path: file for path, file in was_there.items() if not _is_same(brought.get(path), file)}
        for each in (fault, Fault()):
            answer = run_sync_under(syncer, folder, rules, each)
            assert not find_losses(kept, source), "the source was changed"
            now = _files(target)
            found = find_losses(was, target, commits_on="dev", may_differ=(now.keys() | was_there) - own.keys())
            assert not found, found
        assert answer.report is not None
        _expect_like_the_source(answer.report.mirrors[0], source, target, own)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _touch(touches: list[Touch], source: Repository, target: Repository, label: str) -> None:
    for number, touch in enumerate(touches):
        side, path = (target if touch.in_target else source), f"part/{touch.path}"
        if touch.text:
            side.write(path, touch.text.format(f"{label} {number}\n"))
        else:
            (side.folder / path).unlink(missing_ok=True)
        if touch.is_staged:
            side.git("--literal-pathspecs", "add", "-A", "--", path, check=False)


def _is_same(brought: File | None, file: File) -> bool:
    """Tell whether a file is as a mirror put it; one that was written again with the same text is."""
    return brought is not None and (brought.mode, brought.content) == (file.mode, file.content)


def _files(side: Repository) -> dict[str, File]:
    return read_ledger(side).trees[side.folder].files


def _expect_like_the_source(report: MirrorReport, source: Repository, target: Repository, own: dict[str, File]) -> None:
    """See that the target is like the source but for what the report names, and what it had of its own."""
    wanted = {path: file.content for path, file in _files(source).items() if path.startswith("part/")}
    there = {path: file.content for path, file in _files(target).items() if path.startswith("part/")}
    edited = {f"part/{one.path}" for one in report.edited}
    for path in wanted.keys() | there.keys():
        if wanted.get(path) != there.get(path):
            assert path in own, f"{path!a} is not what the source has"
            assert path in edited or path not in wanted, f"{path!a} differs, and is not named"
