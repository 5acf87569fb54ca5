"""`git:` and `clean:` read alone: what may be wrong beside them, and what may not."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devenv.config.load import Request, load_clean, load_git
from devenv.domain.errors import ConfigError
from tests.unit.config.conftest import Folder

README = Path(__file__).parents[3] / "README.md"
Loader = Callable[[Request], object]
BOTH = pytest.mark.parametrize(
    ("load_part", "key"), [(load_git, "git: {sync: {}}"), (load_clean, "clean: {paths: [dist]}")], ids=["git", "clean"]
)


def request(folder: Folder, *, file: str | None = None) -> Request:
    """Return a request for the folder's stack."""
    return Request(start=str(folder.path), environment=folder.environment, file=file)


@BOTH
def test_part_is_what_the_whole_stack_has(folder: Folder, load_part: Loader, key: str) -> None:
    """Both ways lead through the same reader; from a folder below too."""
    stack = folder.load(f"{key}\nservices: {{a: {{command: x}}}}\n")
    below = folder.path / "src"
    below.mkdir()
    assert load_part(request(folder)) == (stack.git or stack.clean)
    assert load_part(Request(start=str(below))) == (stack.git or stack.clean)


@BOTH
@pytest.mark.parametrize(
    "beside",
    [
        "services: {a: {comand: x, depends_on: [b]}}",
        "compose: [gone.yml, broken.yml]",
        "services: {}",
        "env_file: [gone.env]",
        "env_file: {a: b}",
        "nmae: x",
        "name: '${NAME:?set it}'",
        "environment: 5",
    ],
)
def test_part_is_read_when_the_rest_is_wrong(folder: Folder, load_part: Loader, key: str, beside: str) -> None:
    """A service that cannot start keeps nobody's work from being pushed."""
    folder.write("broken.yml", "services: [")
    folder.write(".env", "=broken\nA='open")
    folder.write("services.yaml", f"{key}\n{beside}\n")
    assert load_part(request(folder)) is not None
    with pytest.raises(ConfigError):
        folder.load()


def test_mistakes_are_those_of_the_key_when_there_are_others(folder: Folder) -> None:
    """The place is the same as with the whole file."""
    folder.write("services.yaml", "nmae: x\ngit: {branch: a b, pull: on}\nclean: {caches: x}\n")
    with pytest.raises(ConfigError) as caught:
        load_git(request(folder))
    assert [one.place for one in caught.value.diagnostics] == ["services.yaml:2:15", "services.yaml:2:26"]
    assert caught.value.fix


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("git: [", "services.yaml:1:7: is not valid YAML: "),
        ("git: {}\ngit: {sync: {}}", 'services.yaml:2:1: the key "git" is given twice; the first is in line 1'),
        ("git: {sync: {branches: [a], branches: [b]}}", 'services.yaml:1:29: the key "branches" is given twice'),
        ("- git", "services.yaml:1:1: must be a mapping with the key services, not a list"),
        ("git: \x00", "services.yaml:1:6: is not a text file"),
        ("# git", "services.yaml:1:1: is empty"),
    ],
)
def test_part_is_refused_when_the_file_is_no_yaml(folder: Folder, text: str, expected: str) -> None:
    """What is meant cannot be known, so nothing is pushed."""
    folder.write("services.yaml", text)
    with pytest.raises(ConfigError) as caught:
        load_git(request(folder))
    (mistake,) = caught.value.diagnostics
    assert f"{mistake.place}: {mistake.message}".startswith(expected)


@BOTH
@pytest.mark.parametrize("text", ["services: {a: {command: x}}", "services: {a: {command: git clean}}", ""])
def test_part_is_none_when_the_key_is_absent(folder: Folder, load_part: Loader, key: str, text: str) -> None:
    """A word of that name elsewhere is none."""
    assert key
    folder.write("services.yaml", text)
    assert load_part(request(folder)) is None


@BOTH
@pytest.mark.parametrize("name", ["compose.yaml", "Procfile"])
def test_part_is_none_when_the_stack_is_no_services_file(
    folder: Folder, load_part: Loader, key: str, name: str
) -> None:
    """Compose and Procfiles have no such key, whatever they hold."""
    folder.write(name, f"{key}\nservices: [")
    assert load_part(request(folder)) is None


def test_part_is_of_the_named_file_when_one_is_named(folder: Folder) -> None:
    """`-f` counts here too, and a file that is not there is said."""
    folder.write("other.yaml", "git: {branch: dev}")
    rules = load_git(request(folder, file="other.yaml"))
    assert rules is not None
    assert rules.branch == "dev"
    with pytest.raises(ConfigError, match=r"cannot read none\.yaml"):
        load_git(request(folder, file="none.yaml"))


def test_part_is_refused_when_there_is_no_stack(folder: Folder) -> None:
    """As with the whole stack."""
    with pytest.raises(ConfigError, match="cannot find a stack"):
        load_git(request(folder))


def test_variables_mean_the_same_when_a_part_is_read_alone(folder: Folder) -> None:
    """The user's environment, the stack's env_file, `.env`."""
    folder.write(".env", "A=one\nB=two\n")
    folder.write("more.env", "B=three\n")
    folder.environment["C"] = "four"
    folder.write("services.yaml", "env_file: more.env\ngit: {sync: {branches: ['$A', '$B', '$C']}}")
    rules = load_git(request(folder))
    assert rules is not None
    assert rules.sync is not None
    assert rules.sync.branches == ("one", "three", "four")


@pytest.mark.usefixtures("real_subprocess")
def test_no_parser_is_loaded_when_the_file_has_no_such_key(folder: Folder) -> None:
    """`devenv down` of a stack that syncs nothing pays nothing for it."""
    folder.write("services.yaml", "services: {a: {command: x}}")
    code = (
        "import sys; from devenv.config.load import Request, load_clean, load_git; "
        f"request = Request(start={str(folder.path)!r}); "
        "print(load_git(request), load_clean(request), [m for m in ('yaml', 'pydantic') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None None []"


@pytest.mark.parametrize(("load_part", "key"), [(load_git, "git"), (load_clean, "clean")])
def test_block_of_the_readme_is_read_as_it_stands(folder: Folder, load_part: Loader, key: str) -> None:
    """What is copied from there works."""
    blocks = re.findall(rf"^```yaml\n({key}:.*?)^```", README.read_text(), re.DOTALL | re.MULTILINE)
    assert blocks
    for block in blocks:
        folder.write("services.yaml", block)
        assert load_part(request(folder)) is not None
