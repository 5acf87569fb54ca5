"""Docker's own messages about Compose files as mistakes with a place.

Knows the words of `docker compose config`; what it does not know is passed on as it is. Invariant: one message becomes
one mistake, at the most exact place that can be told.
"""

import re

from devenv.config.check import explain_disabled
from devenv.config.compose.sources import ComposeSources
from devenv.config.text.problems import Problems, suggest
from devenv.domain.errors import ConfigError
from devenv.domain.model import Mark

_UNDEFINED = re.compile(r'service "([^"]+)" depends on undefined service "?([^":\s]+)"?')
_UNKNOWN = re.compile(r"(?:services\.)?(\S+) Additional property (\S+) is not allowed")
_LINE = re.compile(r"(?:yaml: )?(?:[\w ]+ errors?:\s*)?line (\d+): (.+)", re.DOTALL)
_PART = re.compile(r"\b(?:services\.)([A-Za-z0-9_-]+)\.([A-Za-z0-9_.\[\]-]+)")
_SERVICE = re.compile(r'\bservices?[ .]"?([A-Za-z0-9_-]+)"?')
_NOISE = re.compile(r"^(?:validating [^:]+: |error while interpolating |time=\S+ level=\S+ msg=.*\n)", re.MULTILINE)
_SERVICE_KEYS = [
    "image",
    "build",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "ports",
    "volumes",
    "networks",
    "depends_on",
    "healthcheck",
    "profiles",
    "restart",
    "stop_signal",
    "stop_grace_period",
    "container_name",
    "working_dir",
    "user",
    "labels",
    "secrets",
    "configs",
    "extends",
    "deploy",
    "init",
    "tmpfs",
]


def explain_docker(error: ConfigError, files: tuple[str, ...], sources: ComposeSources, problems: Problems) -> None:
    """Note what Docker said, with a better place and words where they can be had."""
    text = _NOISE.sub("", (error.why or error.what).strip()).strip()
    text = text.removesuffix(": invalid compose project")
    if found := _UNDEFINED.search(text):
        _note_undefined(found[1], found[2], sources, problems)
    elif found := _UNKNOWN.search(text):
        service = found[1].partition(".")[0]
        mark = sources.mark(service, found[2]) or _first(files)
        problems.add_at(mark, f'the key "{found[2]}" is unknown to Compose', hint=suggest(found[2], _SERVICE_KEYS))
    elif found := _LINE.search(text):
        problems.add_at(Mark(file=files[0], line=int(found[1]), column=1), found[2].strip())
    else:
        problems.add_at(_place(text, sources) or _first(files), text)


def _note_undefined(name: str, target: str, sources: ComposeSources, problems: Problems) -> None:
    mark = sources.edge_mark(name, target)
    profiles = sources.profiles_of(target)
    if profiles:
        problems.add_at(mark, f"{name} depends on {target}, which {explain_disabled(profiles)}")
    else:
        others = [other for other in sources.names if other != name]
        problems.add_at(mark, f'{name} depends on "{target}", which is not defined', hint=suggest(target, others))


def _place(text: str, sources: ComposeSources) -> Mark | None:
    if found := _PART.search(text):
        parts = [int(part) if part.isdecimal() else part for part in re.split(r"[.\[\]]+", found[2]) if part]
        return sources.mark(found[1], *parts)
    found = _SERVICE.search(text)
    return sources.mark(found[1]) if found else None


def _first(files: tuple[str, ...]) -> Mark:
    return Mark(file=files[0], line=1, column=1)
