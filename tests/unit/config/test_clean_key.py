"""`clean:` of services.yaml: what it becomes, and each mistake in words."""

from __future__ import annotations

import pytest

from devenv.config.render import to_document
from devenv.domain.cleaning import BuildCacheRules, CleanRules, LogRules
from tests.unit.config.conftest import Folder

A = "services: {a: {command: x}}\n"
WHOLE = """\
clean:
  paths: [.next, dist/, ./build, "**/__pycache__", "packages/*/dist", dist]
  caches: [npm, pnpm, yarn, pip, uv, npm]
  build_cache: {keep: 10GB, older_than: 7d}
  logs: {size: 1.5 MiB, keep: 5}
"""


def rules(folder: Folder, text: str) -> CleanRules:
    """Return what `clean:` became."""
    found = folder.load(f"{A}clean: {text}\n").clean
    assert found is not None
    return found


def test_clean_takes_every_key_of_the_documentation(folder: Folder) -> None:
    """Globs without needless slashes, each once; sizes in bytes; times in seconds."""
    assert folder.load(WHOLE + A).clean == CleanRules(
        root=str(folder.path),
        paths=(".next", "dist", "build", "**/__pycache__", "packages/*/dist"),
        caches=("npm", "pnpm", "yarn", "pip", "uv"),
        build_cache=BuildCacheRules(keep_bytes=10_000_000_000, older_than_s=7 * 86400.0),
        logs=LogRules(size_bytes=1_572_864, keep=5),
    )


@pytest.mark.parametrize("written", ["", "clean:\n"])
def test_clean_is_none_when_nothing_is_said(folder: Folder, written: str) -> None:
    """Without the key, or without anything under it."""
    assert folder.load(A + written).clean is None


@pytest.mark.parametrize("written", ["{}", "{paths: [], logs: {}}", "{logs: {size: 16MB, keep: 3}}", "{paths: }"])
def test_clean_has_defaults_when_little_is_said(folder: Folder, written: str) -> None:
    """Nothing is removed that is not named; logs are kept as 16 MB and three older pieces."""
    assert rules(folder, written) == CleanRules(root=str(folder.path))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("keep: 10GB", BuildCacheRules(keep_bytes=10**10)),
        ("keep: 0", BuildCacheRules(keep_bytes=0)),
        ("keep: 1048576", BuildCacheRules(keep_bytes=1 << 20)),
        ("older_than: 36h", BuildCacheRules(older_than_s=129_600.0)),
        ("keep: '${CACHE:-2GiB}'", BuildCacheRules(keep_bytes=2 << 30)),
    ],
)
def test_build_cache_is_kept_by_size_or_age(folder: Folder, written: str, expected: BuildCacheRules) -> None:
    """One rule is enough."""
    assert rules(folder, f"{{build_cache: {{{written}}}}}").build_cache == expected


STARS = "has ** beside other characters, which stands for whole folders"
CACHES = "caches must be one of npm, pnpm, yarn, pip, uv"
GO_ON = "write what is below the folder of this file: dist or **/__pycache__"
SIZE = "is not a size; write 10GB, 500MB or 1.5GiB"


@pytest.mark.parametrize(
    ("written", "place", "expected"),
    [
        ("clean: dist", 8, 'clean must be a mapping of settings, not "dist"'),
        ("clean: {path: dist}", 9, 'the key "path" is unknown [did you mean "paths"?]'),
        ("clean: {paths: [dist, /]}", 23, f'"/" is no path inside the project; {GO_ON}'),
        ("clean: {paths: /tmp/x}", 16, f'"/tmp/x" is no path inside the project; {GO_ON}'),
        ("clean: {paths: [~/x]}", 17, f'"~/x" is no path inside the project; {GO_ON}'),
        ("clean: {paths: ['${HOME}']}", 17, f'"/home/me" is no path inside the project; {GO_ON}'),
        ("clean: {paths: [.]}", 17, f'"." is the whole project; {GO_ON}'),
        ("clean: {paths: [./]}", 17, f'"./" is the whole project; {GO_ON}'),
        ("clean: {paths: ['*']}", 17, f'"*" is the whole project; {GO_ON}'),
        ("clean: {paths: ['**/*']}", 17, f'"**/*" is the whole project; {GO_ON}'),
        ("clean: {paths: [../x]}", 17, f'"../x" leads out of its folder; {GO_ON}'),
        ("clean: {paths: [a/../../x]}", 17, f'"a/../../x" leads out of its folder; {GO_ON}'),
        ("clean: {paths: [a/..]}", 17, f'"a/.." leads out of its folder; {GO_ON}'),
        ("clean: {paths: [.git]}", 17, f'".git" is where git keeps the work; {GO_ON}'),
        ("clean: {paths: ['**/.GIT/x']}", 17, f'"**/.GIT/x" is where git keeps the work; {GO_ON}'),
        ("clean: {paths: ['a**']}", 17, f'"a**" {STARS}; {GO_ON}'),
        ("clean: {paths: ['']}", 17, "paths must not be empty"),
        ("clean: {paths: ['${NO}']}", 17, "paths must not be empty"),
        ("clean: {paths: [[dist]]}", 17, "paths must be text, not a list"),
        ('clean: {paths: ["a\\0"]}', 17, "paths must not hold a NUL character"),
        ("clean: {caches: [npm, pnmp]}", 23, f'{CACHES}; not "pnmp"; did you mean "pnpm"?'),
        ("clean: {caches: cargo}", 17, f'{CACHES}; not "cargo"'),
        ("clean: {build_cache: 10GB}", 22, 'build_cache must be a mapping of keys to values, not "10GB"'),
        ("clean: {build_cache: {}}", 22, "build_cache needs keep, older_than or both [keep: 10GB]"),
        ("clean: {build_cache: {kep: 10GB}}", 23, 'the key "kep" is unknown [did you mean "keep"?]'),
        ("clean: {build_cache: {keep: much}}", 29, f'"much" {SIZE}'),
        ("clean: {build_cache: {keep: [1]}}", 29, f"a list {SIZE}"),
        ("clean: {build_cache: {keep: -1}}", 29, f"the number -1 {SIZE}"),
        ("clean: {build_cache: {keep: 99999999TB}}", 29, f'"99999999TB" {SIZE}'),
        ("clean: {build_cache: {older_than: old}}", 35, '"old" is not a duration; write 30s, 1m30s or 500ms'),
        ("clean: {logs: {max: 1}}", 16, 'the key "max" is unknown [known here: keep, size]'),
        ("clean: {logs: {size: 16}}", 22, "size must be 64 kB or more, not the number 16; write 16MB"),
        ("clean: {logs: {keep: -1}}", 22, "keep must be a whole number from 0 to 100, not the number -1"),
        ("clean: {logs: {keep: 1.5}}", 22, "keep must be a whole number from 0 to 100, not the number 1.5"),
        ("clean: {logs: {keep: true}}", 22, "keep must be a whole number from 0 to 100, not true"),
        ("clean: {logs: {keep: 101}}", 22, "keep must be a whole number from 0 to 100, not the number 101"),
    ],
)  # fmt: skip
def test_mistake_is_said_when_a_rule_is_wrong(folder: Folder, written: str, place: int, expected: str) -> None:
    """One mistake gives one line, at the value that is to be changed."""
    folder.environment["HOME"] = "/home/me"
    assert folder.lines(A + written) == [f"services.yaml:2:{place}: {expected}"]


def test_mistakes_all_come_at_once_when_there_are_many(folder: Folder) -> None:
    """Each wrong path by name, and the other keys beside them."""
    found = folder.lines(
        "clean:\n"
        "  paths: [/, dist, ., ../x]\n"
        "  caches: [npn]\n"
        "  build_cache: {keep: [x], older: 7d}\n"
        "  logs: {size: x, keep: y}\n"
        f"{A}"
    )
    assert [line.split(": ")[0].removeprefix("services.yaml:") for line in found] == [
        *("2:11", "2:20", "2:23", "3:12", "4:23", "4:28", "5:16", "5:25"),
    ]


def test_document_shows_clean_when_it_is_there(folder: Folder) -> None:
    """Bytes and seconds have their units in their names."""
    assert to_document(folder.load(WHOLE + A))["clean"] == {
        "paths": [".next", "dist", "build", "**/__pycache__", "packages/*/dist"],
        "caches": ["npm", "pnpm", "yarn", "pip", "uv"],
        "build_cache": {"keep_bytes": 10_000_000_000, "older_than_s": 604_800.0},
        "logs": {"size_bytes": 1_572_864, "keep": 5},
    }
    assert to_document(folder.load(A))["clean"] is None
