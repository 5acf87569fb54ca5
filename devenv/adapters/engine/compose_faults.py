"""What Compose says on stderr: warnings apart from errors.

Pure. Must not know files: `devenv.config` finds the places in them. Invariant: Compose's own words are kept.
"""

import re

from devenv.domain.errors import ConfigError

_LOG_LINE = re.compile(r'^time="[^"]*" level=(\w+) msg="((?:[^"\\]|\\.)*)"\s*', re.MULTILINE)


def read_warnings(stderr: str) -> tuple[str, ...]:
    """Return what Compose warned of, one sentence each, without repetitions."""
    found = [text for level, text in _LOG_LINE.findall(stderr) if level == "warning"]
    return tuple(dict.fromkeys(text.replace('\\"', '"') for text in found))


def describe_config_failure(stderr: str) -> ConfigError:
    """Return the error for files that Compose could not read; its text is the why."""
    text = _LOG_LINE.sub("", stderr).strip()
    return ConfigError("cannot read the Compose files", why=text or "docker compose said nothing", fix="devenv config")


def find_complaint(stderr: str) -> str:
    """Return the error at the end: the progress lines before it only name containers and networks."""
    lines = [line.strip() for line in _LOG_LINE.sub("", stderr).splitlines() if line.strip()]
    return lines[-1] if lines else "docker compose said nothing"
