"""Variables in texts, environment files, YAML scalars, and where a file is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.config.discover import find_file, kind_of
from devenv.config.text.dotenv import read_env
from devenv.config.text.interpolate import BadVariable, Expansion
from devenv.config.text.problems import Problems
from devenv.config.text.scalars import resolve_scalar

KNOWN = {"A": "one", "E": "", "D": "x$y"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$A-${A}", "one-one"),
        ("${E}|${N}|$N", "||"),
        ("${A:-x}${E:-x}${N:-x}", "onexx"),
        ("${A-x}${E-x}${N-x}", "onex"),
        ("${A:+x}${E:+x}${N:+x}", "x"),
        ("${A+x}${E+x}${N+x}", "xx"),
        ("${N:-${E:-${A}}}", "one"),
        ("${N:-a}b}", "ab}"),
        ("${N:-$$x}", "$x"),
        ("$$A $${A}", "$A ${A}"),
        ("5$ $. ${D}", "5$ $. x$y"),
        ("${A:?no}${E?no}", "one"),
    ],
)
def test_text_is_expanded_as_compose_does(text: str, expected: str) -> None:
    """Every operator, nested too."""
    assert Expansion(KNOWN.get).expand(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${N:?set it}", "the required variable N is not set: set it"),
        ("${E:?}", "the required variable E is empty"),
        ("${N?${A} is needed}", "the required variable N is not set: one is needed"),
        ("${A", '"${A" is not closed with "}"'),
        ("${}", '"${}" is not a variable; write $$ for a dollar sign'),
        ("${A!b}", '"${A!b}" is not a variable; write $$ for a dollar sign'),
        ("${N:-" * 60 + "}" * 60, "variables are nested too deep"),
    ],
)
def test_text_is_refused_when_it_cannot_be_expanded(text: str, why: str) -> None:
    """The reason is one sentence."""
    with pytest.raises(BadVariable) as caught:
        Expansion(KNOWN.get).expand(text)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${a.port} ${a-b.url} $$ $", "${a.port} ${a-b.url} $$ $$"),
        ("${D} ${N:-${a.port}}", "x$$y ${a.port}"),
    ],
)
def test_references_stay_when_texts_are_resolved_late(text: str, expected: str) -> None:
    """In services.yaml references and escapes wait, and values are escaped."""
    assert Expansion(KNOWN.get, late=True).expand(text) == expected


def env_of(tmp_path: Path, text: str) -> tuple[dict[str, str], list[str]]:
    """Return what an environment file defines, and what is wrong with it."""
    path = tmp_path / "x.env"
    path.write_text(text)
    problems = Problems(str(tmp_path))
    file = problems.open(str(path))
    assert file
    found = read_env(file, problems, KNOWN.get)
    return found, [f"{one.place}: {one.message}" for one in problems.found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("K=v", {"K": "v"}),
        ("export K=v\n\n# no\n  L = w  \n", {"K": "v", "L": "w"}),
        ("K=v # comment\nL=v#no\nM=#c", {"K": "v", "L": "v#no", "M": ""}),
        ("K='$A # x'", {"K": "$A # x"}),
        ('K="$A\\n\\"q\\" \\$A" # x', {"K": 'one\n"q" $A'}),
        ("K=${N:-d}\nL=$K-${A}", {"K": "d", "L": "d-one"}),
        ("A\nN", {"A": "one"}),
        ("K: v", {"K": "v"}),
        ('K="a\nb"\nL=c', {"K": "a\nb", "L": "c"}),
        ("K=1\nK=2", {"K": "2"}),
        ("K=\r\nL=x\r\n", {"K": "", "L": "x"}),
        ("K=a=b", {"K": "a=b"}),
    ],
)
def test_env_file_is_read_as_compose_does(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    """Quotes, comments, `export`, variables, values over several lines."""
    assert env_of(tmp_path, text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\n=x", "x.env:2:1: is not KEY=value"),
        ("A b", 'x.env:1:3: "=" is missing after A'),
        ("A='x", "x.env:1:3: the value of A has no closing '"),
        ("A=${N:?why}", "x.env:1:3: the required variable N is not set: why"),
    ],
)
def test_env_file_says_its_mistakes_when_it_has_some(tmp_path: Path, text: str, expected: str) -> None:
    """With line and column."""
    assert env_of(tmp_path, text)[1] == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("22:22", "22:22"),
        ("on", "on"),
        ("yes", "yes"),
        ("no", "no"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("-12", -12),
        ("0x1F", 31),
        ("0o17", 15),
        ("0644", 420),
        ("1.5", 1.5),
        ("1e999", "1e999"),
        ("9" * 30, "9" * 30),
    ],
)
def test_scalar_is_read_as_written(text: str, expected: object) -> None:
    """Only true, false, null and numbers are other than text."""
    found = resolve_scalar(text)
    assert found == expected
    assert isinstance(found, bool) is isinstance(expected, bool)


def test_nearest_folder_wins_when_files_are_looked_for(tmp_path: Path) -> None:
    """A Procfile here is nearer than services.yaml above."""
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "services.yaml").touch()
    assert find_file(str(below)) == str(tmp_path / "services.yaml")
    (tmp_path / "a" / "Procfile").touch()
    assert find_file(str(below)) == str(tmp_path / "a" / "Procfile")


def test_services_win_when_a_folder_has_several_files(tmp_path: Path) -> None:
    """services.yaml, then Compose, then the Procfile."""
    for name in ("Procfile", "docker-compose.yml", "compose.yaml", "services.yml"):
        (tmp_path / name).touch()
        assert find_file(str(tmp_path)) == str(tmp_path / name)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/x/services.yaml", "services"),
        ("/x/other.yaml", "services"),
        ("/x/compose.dev.yml", "compose"),
        ("/x/docker-compose.yml", "compose"),
        ("/x/Procfile.dev", "procfile"),
    ],
)
def test_kind_is_told_by_the_name(path: str, kind: str) -> None:
    """What `-f` names is read by its name."""
    assert kind_of(path) == kind
