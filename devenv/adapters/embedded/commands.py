"""Reads the `command:`, environment and volumes of a PostgreSQL or Redis container for a server outside of one.

Pure. Must not know which server will run or where its data live. Invariant: what cannot be carried over is refused in
words (`ValueError`), never dropped, and a secret goes into a text that is not a command line.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SQL_FOLDER = "/docker-entrypoint-initdb.d"

_WRAPPERS = frozenset({"docker-entrypoint.sh", "entrypoint.sh", "exec"})
_POSTGRES = frozenset({"postgres"})
_REDIS = frozenset({"redis-server", "valkey-server", "redis-stack-server"})
_REDIS_EXTRA = ("REDIS_ARGS", "REDIS_EXTRA_FLAGS", "VALKEY_EXTRA_FLAGS")
_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_SHELL_ONLY = re.compile(r"[;&|<>`\n]|\$+\(")
_SHELL_VARIABLE = re.compile(r"\$+(?:\{(\w+)\}|(\w+))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """`source` (a name or an absolute path) appears as `target` in the container; an anonymous one has no source."""

    source: str
    target: str

    @property
    def is_named(self) -> bool:
        """Tell a named volume from a folder or file of this machine."""
        return bool(self.source) and not self.source.startswith(("/", ".", "~"))


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisOptions:
    """`lines` in the words of redis.conf; `config` is the file of this machine that is read before them."""

    lines: tuple[str, ...]
    config: str = ""


def read_volumes(texts: Iterable[str]) -> tuple[Volume, ...]:
    """Split `source:target[:mode]`; a text without a colon is an anonymous volume."""
    parts = [text.split(":") for text in texts]
    return tuple(Volume(source=part[0] if part[1:] else "", target=(part[1:] or part)[0].rstrip("/")) for part in parts)


def find_init_scripts(volumes: Iterable[Volume]) -> tuple[str, ...]:
    """Return the files and folders of this machine that a PostgreSQL image would run once."""
    wanted = [one for one in volumes if one.source and not one.is_named and one.target.startswith(SQL_FOLDER)]
    return tuple(one.source for one in sorted(wanted, key=lambda one: one.target))


def read_postgres_settings(
    command: tuple[str, ...], environment: Mapping[str, str], volumes: Iterable[Volume]
) -> tuple[str, ...]:
    """Return the options for `postgres`; raises ValueError for a command that is something else."""
    arguments = _arguments(command, environment, _POSTGRES)
    return tuple(_on_this_machine(one, tuple(volumes)) for one in arguments)


def read_redis_options(
    command: tuple[str, ...], environment: Mapping[str, str], volumes: Iterable[Volume]
) -> RedisOptions:
    """Return the directives that the command line gives; raises ValueError for a command that is something else."""
    arguments = list(_arguments(command, environment, _REDIS))
    config = ""
    if arguments and not arguments[0].startswith("-"):
        inside = arguments.pop(0)
        config = _on_this_machine(inside, tuple(volumes))
        if config == inside:
            raise ValueError(f"its command reads {inside}, which is not mounted from this machine")
    for name in _REDIS_EXTRA:
        arguments += shlex.split(environment.get(name, ""))
    return RedisOptions(lines=tuple(_directives(arguments)), config=config)


def quote_directive(name: str, *values: str) -> str:
    """Return a line of redis.conf; a value may hold anything but a NUL."""
    quoted = ['"' + re.sub(r'(["\\])', r"\\\1", value).replace("\n", "\\n") + '"' for value in values]
    return " ".join([name, *quoted])


def _arguments(command: tuple[str, ...], environment: Mapping[str, str], programs: frozenset[str]) -> tuple[str, ...]:
    """Return what follows the server's own name; a bare list of options is one too, as the images have it."""
    words = _unwrap_shell(command, environment)
    while words and words[0].rsplit("/", 1)[-1] in _WRAPPERS:
        words = words[1:]
    if not words or words[0].startswith("-"):
        return words
    if words[0].rsplit("/", 1)[-1] not in programs:
        raise ValueError(f"its command `{words[0]} ...` starts something else than the server")
    return words[1:]


def _unwrap_shell(command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[str, ...]:
    if len(command) != 3 or command[0].rsplit("/", 1)[-1] not in _SHELLS or command[1] != "-c":
        return command
    if _SHELL_ONLY.search(command[2]):
        raise ValueError("its command is a shell script")
    words = shlex.split(command[2])
    return tuple(_SHELL_VARIABLE.sub(lambda found: environment.get(found[1] or found[2], ""), word) for word in words)


def _on_this_machine(argument: str, volumes: tuple[Volume, ...]) -> str:
    """Replace a path of the container at the end of `argument` by where it was mounted from."""
    name, equals, value = argument.rpartition("=")
    for one in volumes:
        inside = one.target and (value == one.target or value.startswith(one.target + "/"))
        if inside and one.source and not one.is_named:
            return f"{name}{equals}{one.source.rstrip('/')}{value[len(one.target) :]}"
    return argument


def _directives(arguments: Iterable[str]) -> Iterable[str]:
    name, values = "", list[str]()
    for word in arguments:
        if word.startswith("--"):
            if name:
                yield quote_directive(name, *values)
            name, values = word[2:], []
        elif name:
            values.append(word)
        else:
            raise ValueError(f"its command has {word} where an option was expected")
    if name:
        yield quote_directive(name, *values)
