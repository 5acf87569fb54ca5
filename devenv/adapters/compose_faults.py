"""Compose's complaints about a project's files as ConfigError, with the place where the text tells it.

Pure but for reading the files that it points into. Must not run Compose. Invariant: Compose's own words stay in the
message; a place is given only where it is certain.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from devenv.domain.errors import ConfigError, Diagnostic

_LOG_LINE = re.compile(r'^time="[^"]*" level=(\w+) msg="((?:[^"\\]|\\.)*)"', re.MULTILINE)
_LINE = re.compile(r"\bline (\d+)(?:, column (\d+))?")
_KEY_LINE = re.compile(r'^(\s*)(?:- )?["\']?([\w.-]+)["\']?\s*:')
_DOTTED = re.compile(r"\b(services|networks|volumes|configs|secrets)[.\[]([\w.\[\]-]+)")
_EXTRA_KEY = re.compile(r"Additional propert(?:y|ies) '?([\w.-]+)'? (?:is|are) not allowed")
_SERVICE = re.compile(r'service "([^"]+)"')
_NOT_FOUND = re.compile(
    r"(?:open|stat|env file:?|find env file:|file) (\S+?):? (?:no such file|not found)|env file: (\S+)$"
)


def read_warnings(stderr: str) -> tuple[str, ...]:
    """Return what Compose warned of, one sentence each, without repetitions."""
    found = [text for level, text in _LOG_LINE.findall(stderr) if level == "warning"]
    return tuple(dict.fromkeys(text.replace('\\"', '"') for text in found))


def describe_config_failure(stderr: str, files: Sequence[str]) -> ConfigError:
    """Return the error for files that Compose could not read."""
    text = _LOG_LINE.sub("", stderr).strip() or "docker compose said nothing"
    found = tuple(_diagnose(one, files) for one in _split(text))
    return ConfigError(
        "cannot read the Compose files",
        why=found[0].message,
        fix=f"correct {found[0].place}",
        diagnostics=found,
    )


def _split(text: str) -> tuple[str, ...]:
    """Return each complaint: only YAML's own errors come as a list, the rest is one text."""
    _, _, rest = text.partition("unmarshal errors:\n")
    if rest:
        return tuple(line.strip() for line in rest.splitlines() if line.strip())
    return (" ".join(line.strip() for line in text.splitlines() if line.strip()),)


def _diagnose(text: str, files: Sequence[str]) -> Diagnostic:
    file, line, column = _find_place(text, files)
    source = _read_lines(file)[line - 1] if line and line <= len(_read_lines(file)) else ""
    return Diagnostic(file=file, line=line, column=column, message=_shorten(text, files), source=source)


def _find_place(text: str, files: Sequence[str]) -> tuple[str, int, int]:
    named = next((file for file in files if file in text), "")
    numbered = _LINE.search(text)
    if numbered:
        file = named or _only_plausible(files, int(numbered[1]))
        return file, int(numbered[1]) if file in files else 0, int(numbered[2] or 1)
    path = _find_path(text)
    for file in (named,) if named else files:
        if path and (place := _locate(file, path)):
            return file, *place
    return named or (files[0] if files else ""), 0, 0


def _only_plausible(files: Sequence[str], line: int) -> str:
    """Return the only file with that many lines: Compose does not say in which one it stumbled."""
    long_enough = [file for file in files if len(_read_lines(file)) >= line]
    return long_enough[0] if len(long_enough) == 1 else (files[0] if len(files) == 1 else ", ".join(files))


def _find_path(text: str) -> tuple[str, ...]:
    extra = _EXTRA_KEY.search(text)
    last = (extra[1],) if extra else ()
    if dotted := _DOTTED.search(text):
        inner = dotted[2].rstrip(".").replace("]", "").replace("[", ".")
        return (dotted[1], *inner.split("."), *last)
    if service := _SERVICE.search(text):
        return ("services", service[1])
    return last


def _locate(file: str, path: tuple[str, ...]) -> tuple[int, int] | None:
    """Return line and column of the deepest key of `path` in a file in block style, None without its first."""
    found, depth, indents = None, 0, [-1]
    for number, line in enumerate(_read_lines(file), start=1):
        key = _KEY_LINE.match(line)
        if not key:
            continue
        indent = len(key[1])
        if indent <= indents[-1]:
            return found if depth else None
        if key[2] == path[depth] and (depth > 0 or indent == 0):
            found, depth = (number, indent + 1), depth + 1
            indents.append(indent)
            if depth == len(path):
                return found
    return found


def _shorten(text: str, files: Sequence[str]) -> str:
    bare = re.sub(r"^(?:yaml: )?(?:line \d+: )?", "", text)
    bare = re.sub(r"^(?:validating|parsing|failed to parse) \S+?: (?:yaml: )?(?:line \d+: )?", "", bare)
    return bare.removesuffix(": invalid compose project")


def _read_lines(file: str) -> list[str]:
    try:
        return Path(file).read_text(errors="replace").splitlines()
    except OSError:
        return []
