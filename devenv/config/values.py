"""Small values of services.yaml: durations, sizes, conditions, commands, texts.

Each function takes what YAML gave and returns a value of the domain, or raises ValueError with one plain sentence; it
must not know files or places. Invariant: the sentence says what was found and what can be written instead.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from devenv.config.text.problems import suggest
from devenv.domain.durations import parse_duration
from devenv.domain.model import Condition, EngineChoice, OnConflict, OnDrift, Restart, Transport
from devenv.domain.references import find_references
from devenv.domain.sizes import parse_size

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_PROJECT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_. -]*")
_LONGEST_S = 365 * 86400.0
_LARGEST = 10**18

CONDITIONS: Mapping[str, Condition] = {
    "ready": Condition.READY,
    "healthy": Condition.READY,
    "service_healthy": Condition.READY,
    "started": Condition.STARTED,
    "service_started": Condition.STARTED,
    "completed": Condition.COMPLETED,
    "service_completed_successfully": Condition.COMPLETED,
}
ENGINES: Mapping[str, EngineChoice] = {choice.value: choice for choice in EngineChoice}
RESTARTS: Mapping[str, Restart] = {
    **{choice.value: choice for choice in Restart},
    "never": Restart.NO,
    "unless-stopped": Restart.ALWAYS,
}
ON_CONFLICT: Mapping[str, OnConflict] = {choice.value: choice for choice in OnConflict}
ON_DRIFT: Mapping[str, OnDrift] = {choice.value: choice for choice in OnDrift}
TRANSPORTS: Mapping[str, Transport] = {choice.value: choice for choice in Transport}
SIGNALS = ("TERM", "INT", "HUP", "QUIT", "KILL", "USR1", "USR2", "WINCH", "ABRT", "ALRM", "PIPE", "CONT", "STOP")

T = TypeVar("T")


def say(value: object) -> str:
    """Return what YAML gave, in words: `a list`, `the number 5`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {getattr(value, 'written', value)}"
        case str():
            return f'"{value if len(value) <= 60 else value[:57] + "..."}"'.replace("$$", "$")
        case list() | tuple():
            return "a list"
        case _:
            return "a mapping"


def read_text(value: object) -> str:
    """Return text as it was written, references and `$$` included; numbers and true/false are text too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(getattr(value, "written", value))
    if not isinstance(value, str):
        raise ValueError(f"must be text, not {say(value)}")  # noqa: TRY004 - pydantic takes ValueError alone
    if "\0" in value:
        raise ValueError("must not hold a NUL character")
    return value


def read_plain(value: object) -> str:
    """Return text that is final while the file is read: without references, `$$` is `$`."""
    text = read_text(value)
    if find_references(text):
        raise ValueError("cannot refer to the port or URL of a service here")
    return text.replace("$$", "$")


def read_filled(value: object) -> str:
    """Return plain text that is not empty."""
    text = read_plain(value)
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def read_choice(value: object, choices: Mapping[str, T]) -> T:
    """Return the choice that a word stands for."""
    if value is False and "no" in choices:
        return choices["no"]
    word = "" if value is None or isinstance(value, list | dict) else read_plain(value)
    if word in choices:
        return choices[word]
    wanted = ", ".join(choices)
    hint = suggest(word, choices) if word else ""
    raise ValueError(f"must be one of {wanted}; not {say(value)}" + (f"; {hint}" if hint else ""))


def read_flag(value: object) -> bool:
    """Return true or false, also from the text that a variable became."""
    if isinstance(value, bool):
        return value
    word = read_plain(value).lower() if isinstance(value, str) else ""
    if word not in {"true", "false"}:
        raise ValueError(f"must be true or false, not {say(value)}")
    return word == "true"


def read_duration(value: object) -> float:
    """Return seconds from `30s`, `1m30s`, `500ms` or a bare number of seconds."""
    seconds: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str):
        seconds = parse_duration(value.replace(" ", ""))
    if seconds is None or not 0 <= seconds <= _LONGEST_S:
        raise ValueError(f"{say(value)} is not a duration; write 30s, 1m30s or 500ms")
    return seconds


def read_positive_duration(value: object) -> float:
    """Return seconds, more than none."""
    seconds = read_duration(value)
    if seconds == 0:
        raise ValueError("must be longer than 0")
    return seconds


def read_size(value: object) -> int:
    """Return bytes from `10GB`, `1.5GiB` or a bare number of bytes."""
    size = None if value is None or isinstance(value, bool | list | dict) else parse_size(read_plain(value))
    if size is None or size > _LARGEST:
        raise ValueError(f"{say(value)} is not a size; write 10GB, 500MB or 1.5GiB")
    return size


def read_count(value: object, *, most: int) -> int:
    """Return a whole number from 0 to `most`, also from the text that a variable became."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(text, str) and re.fullmatch(r"[0-9]{1,9}", text) and int(text) <= most:
        return int(text)
    raise ValueError(f"must be a whole number from 0 to {most}, not {say(value)}")


def read_argv(value: object) -> tuple[str, ...]:
    """Return what to run: text goes to the shell, a list is the program and its arguments."""
    if isinstance(value, list):
        if not value or value[0] in ("", None):
            raise ValueError("names no program to run")
        for item in value:
            if item is None or isinstance(item, list | dict):
                raise ValueError(f"the program and its arguments must be text, not {say(item)}")
        return tuple(read_text(item) for item in value)
    if value is None or isinstance(value, dict | bool):
        raise ValueError(f"must be a command (text, or a list of program and arguments), not {say(value)}")
    text = read_text(value)
    if not text.strip():
        raise ValueError("is empty: there is nothing to run")
    return ("/bin/sh", "-c", text)


def read_signal(value: object) -> str:
    """Return a signal's name without SIG."""
    name = read_plain(value).upper().removeprefix("SIG")
    if name in SIGNALS:
        return name
    hint = suggest(name, SIGNALS)
    raise ValueError(
        f"{say(value)} is not a signal; write TERM, INT, HUP, QUIT or KILL" + (f"; {hint}" if hint else "")
    )


def read_condition(value: object) -> Condition:
    """Return what a dependent waits for, in either spelling."""
    return read_choice(value, CONDITIONS)


def check_name(name: str) -> str:
    """Return a service's name, or say what is wrong with it."""
    if not _NAME.fullmatch(name):
        raise ValueError(f'"{name}" is not a service name: use letters, digits, "_" and "-", a letter or digit first')
    return name


def read_project_name(value: object) -> str:
    """Return a stack's name."""
    name = read_filled(value)
    if not _PROJECT.fullmatch(name):
        raise ValueError(f'{say(name)} is not a name: use letters, digits, "_", "-" and ".", a letter or digit first')
    return name


def normalise_project(name: str) -> str:
    """Return a Compose project name the way Compose makes one of a folder's name."""
    return re.sub(r"[^a-z0-9_-]", "", name.lower()).lstrip("_-")


def list_one(value: object) -> list[object]:
    """Return a list as it is, and anything else as a list of it."""
    return value if isinstance(value, list) else [value]


def read_variables(value: object) -> dict[str, str | None]:
    """Return variables from a mapping or from a list of KEY=value; None means: taken from the user's environment."""
    if isinstance(value, dict):
        return {key: None if item is None else _variable(key, item) for key, item in value.items()}
    if not isinstance(value, list):
        raise ValueError(f"must be a mapping of variables or a list of KEY=value, not {say(value)}")  # noqa: TRY004
    found: dict[str, str | None] = {}
    for item in value:
        key, equals, text = read_text(item).partition("=")
        if not key.strip():
            raise ValueError(f"{say(item)} is not KEY=value")
        found[key.strip()] = text if equals else None
    return found


def _variable(key: str, item: object) -> str:
    if isinstance(item, dict | list):
        raise ValueError(f"the value of {key} must be text, not {say(item)}")  # noqa: TRY004
    return read_text(item)


def map_edges(value: object) -> object:
    """Return dependencies as a mapping; a list has no conditions."""
    if isinstance(value, str):
        return {read_plain(value): {}}
    if isinstance(value, list):
        return {read_filled(item): {} for item in value}
    if isinstance(value, dict):
        return value
    raise ValueError(f"must be a list of services or a mapping of service to condition, not {say(value)}")


def map_edge(value: object) -> object:
    """Return one dependency in its long form."""
    if value is None:
        return {}
    return value if isinstance(value, dict) else {"condition": value}


def map_switch(value: object) -> object:
    """Return a mapping of settings: true is an empty one, false is none."""
    if isinstance(value, bool):
        return {} if value else None
    if value is None or isinstance(value, dict):
        return value
    raise ValueError(f"must be true, false or a mapping of settings, not {say(value)}")


def read_prefixes(value: object) -> dict[str, float | None]:
    """Return the longest time to live in seconds by key pattern, None for `any`."""
    if not isinstance(value, dict) or not value:
        raise ValueError(f'must be a mapping of key patterns to times such as {{"booking:*": 1h}}, not {say(value)}')
    return {key: None if item == "any" else read_positive_duration(item) for key, item in value.items()}


def read_forbidden(value: object) -> dict[str, tuple[str, ...]]:
    """Return the values that variables must not have; no values: the variable must not be set."""
    if isinstance(value, list):
        return {read_filled(item): () for item in value}
    if not isinstance(value, dict):
        raise ValueError(f"must be a mapping of variables to forbidden values, not {say(value)}")  # noqa: TRY004
    return {
        key: () if item is None else tuple(read_plain(one) for one in list_one(item)) for key, item in value.items()
    }
