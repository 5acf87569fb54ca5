"""`git:` of services.yaml: what it becomes, and each mistake in words."""

from __future__ import annotations

import pytest

from devenv.config.render import to_document
from devenv.domain.git_rules import CommitPolicy, GitRules, MirrorRule, Promotion, Pull, SyncRules
from tests.unit.config.conftest import Folder

A = "services: {a: {command: x, ports: [80]}}\n"
WHOLE = """\
git:
  pull: ff-only
  branch: dev
  sync:
    remotes: [origin, org]
    branches: [dev, master]
    promote: {from: dev, to: master}
    commit: ask
    message: "chore: end of day {date} on {branch}"
    timeout: 1m30s
    repos: [., ../cc-docs/]
  mirror:
    - {from: core/services/, to: ../tenant/app/services/, commit: "chore: sync shared services"}
    - {from: core/assets, to: ../tenant/assets}
services: {a: {command: x}}
"""


def rules(folder: Folder, text: str) -> GitRules:
    """Return what `git:` became."""
    found = folder.load(f"{A}git: {text}\n").git
    assert found is not None
    return found


def test_git_takes_every_key_of_the_documentation(folder: Folder) -> None:
    """Every key, with paths relative to the file."""
    above = folder.path.parent
    assert folder.load(WHOLE).git == GitRules(
        root=str(folder.path),
        pull=Pull.FF_ONLY,
        branch="dev",
        sync=SyncRules(
            repos=(str(folder.path), str(above / "cc-docs")),
            remotes=("origin", "org"),
            branches=("dev", "master"),
            promote=Promotion(source="dev", target="master"),
            commit=CommitPolicy.ASK,
            message="chore: end of day {date} on {branch}",
            timeout_s=90.0,
        ),
        mirrors=(
            MirrorRule(
                source=str(folder.path / "core/services"),
                target=str(above / "tenant/app/services"),
                commit="chore: sync shared services",
            ),
            MirrorRule(source=str(folder.path / "core/assets"), target=str(above / "tenant/assets")),
        ),
    )


@pytest.mark.parametrize("written", ["", "git:\n"])
def test_git_is_none_when_nothing_is_said(folder: Folder, written: str) -> None:
    """Without the key, or without anything under it, nothing is synced."""
    assert folder.load(A + written).git is None


@pytest.mark.parametrize("written", ["{}", "{sync: , mirror: , branch: , pull: }", "{mirror: []}"])
def test_git_changes_nothing_when_it_is_empty(folder: Folder, written: str) -> None:
    """No pull, no sync, no mirror, any branch."""
    assert rules(folder, written) == GitRules(root=str(folder.path))


@pytest.mark.parametrize("written", ["{}", "{repos: []}", "{repos: ., remotes: origin}", "{repos: [., ./, ../shop]}"])
def test_sync_has_defaults_when_little_is_said(folder: Folder, written: str) -> None:
    """The repository of this file, origin, the branch that is checked out, no commit; each repository once."""
    assert rules(folder, f"{{sync: {written}}}").sync == SyncRules(repos=(str(folder.path),))


def test_remotes_and_branches_are_meant_once_when_they_are_listed_twice(folder: Folder) -> None:
    """Two pushes of one branch to one remote would meet."""
    sync = rules(folder, "{sync: {remotes: [org, origin, org], branches: [b, a, b]}}").sync
    assert sync is not None
    assert (sync.remotes, sync.branches) == (("org", "origin"), ("b", "a"))


def test_remotes_may_be_none_when_nothing_is_to_be_pushed(folder: Folder) -> None:
    """An empty list is not the default."""
    sync = rules(folder, "{sync: {remotes: []}}").sync
    assert sync is not None
    assert sync.remotes == ()


def test_off_is_a_word_when_it_is_not_quoted(folder: Folder) -> None:
    """YAML 1.1 would have read false."""
    assert rules(folder, "{pull: off}").pull is Pull.OFF


def test_variables_are_replaced_when_git_uses_them(folder: Folder) -> None:
    """As everywhere in the file; `{date}` is none, and `$$` is a dollar."""
    folder.environment["WORK"] = "dev$1"
    read = rules(folder, "{branch: '${WORK}', sync: {branches: ['${WORK}', '${NO:-main}'], message: '$$ {date}'}}")
    assert read.sync is not None
    assert (read.branch, read.sync.branches, read.sync.message) == ("dev$1", ("dev$1", "main"), "$ {date}")


def test_folders_need_not_exist_when_git_names_them(folder: Folder) -> None:
    """A sync says what is missing when it gets there; the rest of the stack is not kept from starting."""
    assert rules(folder, "{sync: {repos: [../gone]}, mirror: [{from: nowhere, to: ../gone/x}]}").has_work


BRANCH = "is not the name of a branch"
KNOWN = "is unknown; known: {date}, {branch}"
TWICE = "two mirrors have this target; the first is in line"
COMMIT = "commit must be one of never, ask, auto"
DASH = "it begins with a dash"
SLASH = "there is nothing before, between or after its slashes"
DOT = "a part of it begins, or it ends, with a dot"


@pytest.mark.parametrize(
    ("written", "place", "expected"),
    [
        ("git: dev", 6, 'git must be a mapping of settings, not "dev"'),
        ("git: [dev]", 6, "git must be a mapping of settings, not a list"),
        ("git: {pul: off}", 7, 'the key "pul" is unknown [did you mean "pull"?]'),
        ("git: {x: 1}", 7, 'the key "x" is unknown [known here: branch, mirror, pull, sync]'),
        ("git: {pull: rebase}", 13, 'pull must be one of off, ff-only; not "rebase"'),
        ("git: {pull: ff_only}", 13, 'pull must be one of off, ff-only; not "ff_only"; did you mean "ff-only"?'),
        ("git: {pull: true}", 13, "pull must be one of off, ff-only; not true"),
        ("git: {branch: [dev]}", 15, "branch must be text, not a list"),
        ("git: {branch: ''}", 15, "branch must not be empty"),
        ("git: {branch: -f}", 15, f'"-f" {BRANCH}: {DASH}'),
        ("git: {branch: HEAD}", 15, "HEAD is what is checked out, not the name of a branch"),
        ("git: {branch: '${a.port}'}", 15, "branch cannot refer to the port or URL of a service here"),
        ("git: {sync: yes}", 13, 'sync must be a mapping of keys to values, not "yes"'),
        ("git: {sync: {remote: org}}", 14, 'the key "remote" is unknown [did you mean "remotes"?]'),
        ("git: {sync: {remotes: [ok, -o]}}", 28, f'"-o" is not the name of a remote: {DASH}'),
        ("git: {sync: {remotes: [a b]}}", 24, '"a b" is not the name of a remote: it holds a space'),
        ("git: {sync: {remotes: ['git@h:x.git']}}", 24, '"git@h:x.git" is not the name of a remote: it holds ":"'),
        (
            "git: {sync: {remotes: ['https://u:hunter2@h/x']}}",
            24,
            "a remote is given by its name, not by its URL; `git remote -v` lists the names",
        ),
        ("git: {sync: {branches: [dev, a..b]}}", 30, f'"a..b" {BRANCH}: it holds ".."'),
        ("git: {sync: {branches: ['a:b']}}", 25, f'"a:b" {BRANCH}: it holds ":"'),
        ("git: {sync: {branches: [a~1]}}", 25, f'"a~1" {BRANCH}: it holds "~"'),
        ("git: {sync: {branches: [a^]}}", 25, f'"a^" {BRANCH}: it holds "^"'),
        ("git: {sync: {branches: ['a@{1}']}}", 25, f'"a@{{1}}" {BRANCH}: it holds "@{{"'),
        ("git: {sync: {branches: ['@']}}", 25, f'"@" {BRANCH}: git means something else by it'),
        ("git: {sync: {branches: [a//b]}}", 25, f'"a//b" {BRANCH}: {SLASH}'),
        ("git: {sync: {branches: [a/.b]}}", 25, f'"a/.b" {BRANCH}: {DOT}'),
        ("git: {sync: {branches: [a.lock]}}", 25, f'"a.lock" {BRANCH}: a part of it ends with ".lock"'),
        ('git: {sync: {branches: ["a\\tb"]}}', 25, f'"a\tb" {BRANCH}: it holds a character that cannot be printed'),
        ("git: {sync: {promote: dev}}", 23, 'promote must be a mapping of keys to values, not "dev"'),
        ("git: {sync: {promote: {from: dev}}}", 23, 'promote needs "to"'),
        ("git: {sync: {promote: {frm: dev, from: dev, to: m}}}", 24, 'the key "frm" is unknown [did you mean "from"?]'),
        ("git: {sync: {promote: {from: a b, to: m}}}", 30, f'"a b" {BRANCH}: it holds a space'),
        ("git: {sync: {promote: {from: dev, to: dev}}}", 39, "dev cannot be promoted to itself"),
        ("git: {sync: {commit: allways}}", 22, f'{COMMIT}; not "allways"'),
        ("git: {sync: {commit: nevr}}", 22, f'{COMMIT}; not "nevr"; did you mean "never"?'),
        ("git: {sync: {message: ' '}}", 23, "message must not be empty"),
        ("git: {sync: {message: 'day {dat}'}}", 23, 'the placeholder {dat} is unknown; did you mean "date"?'),
        ("git: {sync: {message: '{}'}}", 23, f"the placeholder {{}} {KNOWN}"),
        ("git: {sync: {timeout: soon}}", 23, '"soon" is not a duration; write 30s, 1m30s or 500ms'),
        ("git: {sync: {timeout: 0}}", 23, "timeout must be longer than 0"),
        ("git: {sync: {repos: [{}]}}", 22, "repos must be text, not a mapping"),
        ('git: {sync: {repos: ["a\\0b"]}}', 22, "repos must not hold a NUL character"),
        ("git: {mirror: x}", 15, 'a mirror must be a mapping with from and to, not "x"'),
        ("git: {mirror: [{from: a}]}", 16, 'a mirror needs "to"'),
        ("git: {mirror: [{from: a, to: }]}", 16, 'a mirror needs "to"'),
        ("git: {mirror: [{from: a, too: b, to: b}]}", 26, 'the key "too" is unknown [did you mean "to"?]'),
        ("git: {mirror: [{from: [a], to: b}]}", 23, "from must be text, not a list"),
        ("git: {mirror: [{from: a, to: b, commit: '{d}'}]}", 41, f"the placeholder {{d}} {KNOWN}"),
        ("git: {mirror: [{from: a/, to: ./a}]}", 31, "a mirror's from and to are the same folder"),
        ("git: {mirror: [{from: ., to: b}]}", 30, "a mirror's to lies inside its from"),
        ("git: {mirror: [{from: a/b, to: a}]}", 32, "a mirror's from lies inside its to"),
        ("git: {mirror: [{from: a, to: ../t}, {from: b, to: ../t/}]}", 51, f"{TWICE} 2"),
    ],
)  # fmt: skip
def test_mistake_is_said_when_a_rule_is_wrong(folder: Folder, written: str, place: int, expected: str) -> None:
    """One mistake gives one line, at the value that is to be changed."""
    assert folder.lines(A + written) == [f"services.yaml:2:{place}: {expected}"]


def test_mirrors_may_stand_side_by_side_when_their_names_begin_alike(folder: Folder) -> None:
    """`app` does not hold `app-shared`."""
    assert len(rules(folder, "{mirror: [{from: app, to: app-shared}, {from: x-y, to: x}]}").mirrors) == 2


def test_mistakes_all_come_at_once_when_there_are_many(folder: Folder) -> None:
    """One at each level, and those between keys and between mirrors, beside those of the services."""
    found = folder.lines(
        "git:\n"
        "  pul: off\n"
        "  branch: a b\n"
        "  sync:\n"
        "    promote: {frm: x, from: dev, to: dev}\n"
        "    commit: always\n"
        "    remotes: [-x, org, a:b]\n"
        "  mirror:\n"
        "    - {from: a, to: a}\n"
        "    - {form: b, to: c}\n"
        "    - {from: d, to: a, commit: '{x}'}\n"
        "services: {a: {comand: x}}\n"
    )
    assert [line.split(": ")[0].removeprefix("services.yaml:") for line in found] == [
        *("2:3", "3:11", "5:15", "5:38", "6:13", "7:15", "7:24", "9:21", "10:7", "10:8", "11:21", "11:32", "12:16"),
    ]


def test_secret_of_a_url_is_not_repeated_when_a_remote_is_one(folder: Folder) -> None:
    """A mistake is read over shoulders and in logs."""
    (mistake,) = folder.mistakes(f"{A}git: {{sync: {{remotes: ['https://u:hunter2@h/x']}}}}")
    assert "hunter2" not in mistake.message + mistake.hint


def test_document_shows_git_when_it_is_there(folder: Folder) -> None:
    """`devenv config` shows what was understood, with the names of the keys."""
    above = folder.path.parent
    assert to_document(folder.load(WHOLE))["git"] == {
        "pull": "ff-only",
        "branch": "dev",
        "sync": {
            "repos": [str(folder.path), str(above / "cc-docs")],
            "remotes": ["origin", "org"],
            "branches": ["dev", "master"],
            "promote": {"from": "dev", "to": "master"},
            "commit": "ask",
            "message": "chore: end of day {date} on {branch}",
            "timeout_s": 90.0,
        },
        "mirror": [
            {
                "from": str(folder.path / "core/services"),
                "to": str(above / "tenant/app/services"),
                "commit": "chore: sync shared services",
            },
            {"from": str(folder.path / "core/assets"), "to": str(above / "tenant/assets"), "commit": None},
        ],
    }
    assert to_document(folder.load(A))["git"] is None


def test_document_hides_secrets_when_git_holds_some(folder: Folder) -> None:
    """A password in a URL, wherever it was written, stays here unless it is asked for."""
    stack = folder.load(f"{A}git: {{sync: {{message: 'see https://u:hunter2@h/x'}}}}")
    assert "hunter2" not in str(to_document(stack))
    assert "hunter2" in str(to_document(stack, show_secrets=True))
