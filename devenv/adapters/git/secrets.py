"""Finds what must not be committed: secrets, by the name of a file and by its content.

The shapes of secrets are those of detect-secrets; which of them count is decided here. Must not change anything, ask
the network (nothing is verified), or return a secret. Invariants: an answer depends on the arguments alone, so that any
thread may ask; what the text had before is not new.

Chosen so that lock files, hashes and minified code stay quiet: tokens with a shape of their own count anywhere, a
password in a URL counts where its host is not this machine's or a container's, and the value of a name that sounds
secret counts where it looks random. Entropy alone does not count.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detect_secrets.plugins.base import BasePlugin, RegexBasedDetector

_SAMPLES = (".env.example", ".env.sample", ".env.template", ".env.dist", "*.env.example", "*.env.sample")
_NAMES = {
    "is an environment file": (".env*", "*.env"),
    "is named like a private key": (
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ecdsa_sk",
        "id_ed25519",
        "id_ed25519_sk",
        "*.ppk",
    ),
    "is a store of keys": ("*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.p8"),
    "holds logins": (".netrc", "_netrc", ".pgpass", ".git-credentials", ".htpasswd", ".pypirc"),
}
_SHAPES = (
    "ArtifactoryDetector", "AWSKeyDetector", "DiscordBotTokenDetector", "GitHubTokenDetector", "JwtTokenDetector",
    "MailchimpDetector", "NpmDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector", "StripeDetector",
    "TwilioKeyDetector",
)  # fmt: skip
_MORE_SHAPES = re.compile(
    r"\b(?:github_pat_\w{60,}|glpat-[\w-]{20,}|AIza[\w-]{35}|sk-(?:proj|ant|svcacct)-[\w-]{20,}|hf_[A-Za-z]{30,}"
    r"|pypi-AgEIcHlwaS5vcmc[\w-]{20,}|dop_v1_[a-f0-9]{64})(?![\w-])"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[rn]|[\"'+,])*"
    r"(?:[A-Za-z-]+: [^\n]{0,200}(?:\s|\\[rn])+)*[A-Za-z0-9+/=]{16,}|PuTTY-User-Key-File-\d: "
)
_LOCAL_HOST = re.compile(
    r"[^.]*$|127\.|10\.|192\.168\.|172\.(?:1[6-9]|2\d|3[01])\.|0\.0\.0\.0|\[::1\]"
    r"|.*\.(?:local|localhost|internal|test|example|invalid|lan)$|.*example\.(?:com|org|net)$",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"your|example|change.?me|placeholder|dummy|fake|sample|redacted|secret|passw|hunter2|x{4,}|\.{3}|…|\*{3}|test|\bdev",
    re.IGNORECASE,
)
_UNKNOWN_KIND = "any.conf"  # a shell script, a Dockerfile, an .env.example: values need no quotes
_EVERYBODYS_PASSWORD = re.compile(
    r"(?:your|my|the|some|db)?[-_ ]?(?:passw(?:or)?d|pass|pwd|secret|token|example|change.?me|postgres|root|admin|user"
    r"|guest|test|dev|hunter2|x+|\.+|…|\*+)[-_]?\d*",
    re.IGNORECASE,
)
_SHORTEST = 12
_LEAST_ENTROPY = 3.0
_WINDOW = 2000
_OVERLAP = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A file or a folder (with a `/` at its end) that its name rules out."""

    path: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """Where a secret is, and its kind; never the secret."""

    kind: str
    line: int

    @property
    def sentence(self) -> str:
        """Return what follows the file's name."""
        return f"looks like it holds a secret: {self.kind} in line {self.line}"


def judge_name(path: str) -> Named | None:
    """Return the part of a path that must not be committed whatever it holds, None where no name says so."""
    parts = path.split("/")
    for end, part in enumerate(parts, start=1):
        if any(fnmatch.fnmatchcase(part.lower(), pattern) for pattern in _SAMPLES):
            continue
        for why, patterns in _NAMES.items():
            if any(fnmatch.fnmatchcase(part.lower(), pattern) for pattern in patterns):
                return Named(path="/".join(parts[:end]) + ("/" if end < len(parts) else ""), why=why)
    return None


def find_secret(path: str, text: str, before: str = "", *, is_binary: bool = False) -> Secret | None:
    """Return the first secret in `text` that `before` does not have, None where there is none.

    Of what `is_binary` only the shapes count: it has neither lines nor names.
    """
    lines = text.split("\n")
    for found, kind in _find_shapes(text):
        number = text.count("\n", 0, found.start())
        if found[0] not in before and not _is_allowed(path, lines[number]):
            return Secret(kind=kind, line=number + 1)
    known = set(before.split("\n"))
    for number, line in enumerate(() if is_binary or _is_lock_file(path) else lines):
        if line in known:
            continue
        for value, kind in (*_find_passwords(line), *_find_named(path, line)):
            if value not in before and not _is_allowed(path, line):
                return Secret(kind=kind, line=number + 1)
    return None


def _is_lock_file(path: str) -> bool:
    from detect_secrets.filters.heuristic import is_lock_file  # noqa: PLC0415 - late, as all of it

    return is_lock_file(path) or path.endswith(".lock")


def _find_shapes(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Return what has the shape of a token or a key, wherever it stands, and its kind."""
    for found in _PRIVATE_KEY.finditer(text):
        yield found, "a private key"
    for found in _MORE_SHAPES.finditer(text):
        yield found, "an access token"
    for detector in _token_detectors():
        is_valid = getattr(detector, "is_formally_valid", bool)  # a JSON Web Token can be looked into
        for pattern in detector.denylist:
            for found in pattern.finditer(text):
                if is_valid(found[0]) and not _PLACEHOLDER.search(found[0]):
                    yield found, _name(detector)


def _find_passwords(line: str) -> Iterator[tuple[str, str]]:
    """Return the passwords of a line's URLs, where their hosts are somebody else's."""
    if "://" in line:
        for piece in _cut(line):
            for password in _url_detector().analyze_string(piece):
                authority = re.split(r"[/?#\s'\"`]", piece.partition(f":{password}@")[2], maxsplit=1)[0]
                host = authority.rpartition("@")[2].partition(":")[0]
                is_known = _EVERYBODYS_PASSWORD.fullmatch(password) or _is_template(password)
                if not (is_known or _LOCAL_HOST.match(host) or _is_template(host)):
                    yield password, "a password in a URL"


def _find_named(path: str, line: str) -> Iterator[tuple[str, str]]:
    """Return the values of a line's names that sound secret, where they look random."""
    from detect_secrets.filters.heuristic import is_indirect_reference  # noqa: PLC0415

    if _secret_names().search(line):
        kind = path if _has_known_kind(path) else _UNKNOWN_KIND
        for piece in _cut(line):
            if not is_indirect_reference(piece):
                found = _keyword_detector().analyze_line(filename=kind, line=piece)
                values = sorted(one.secret_value for one in found if one.secret_value)
                yield from ((value, "a value that looks random") for value in values if _looks_random(value))


def _has_known_kind(path: str) -> bool:
    from detect_secrets.util.filetype import FileType, determine_file_type  # noqa: PLC0415

    return determine_file_type(path) not in {FileType.OTHER, FileType.EXAMPLE}


def _looks_random(value: str) -> bool:
    """Tell a password that a machine made from a word, a path, an expression or a name."""
    from detect_secrets.filters.heuristic import is_potential_uuid, is_sequential_string  # noqa: PLC0415
    from detect_secrets.plugins.high_entropy_strings import calculate_shannon_entropy  # noqa: PLC0415

    value = value.strip()
    return (
        len(value) >= _SHORTEST
        and re.fullmatch(r"[\x21-\x7e]+", value) is not None
        and re.search(r"\d", value) is not None
        and re.search(r"[A-Za-z]", value) is not None
        and not re.search(r"[(){}<>\[\]$]|://|^[./~]", value)
        and not _PLACEHOLDER.search(value)
        and not _is_template(value)
        and not is_potential_uuid(value)
        and not is_sequential_string(value)
        and calculate_shannon_entropy(value, "".join(sorted(set(value)))) >= _LEAST_ENTROPY
    )


def _is_template(value: str) -> bool:
    """Tell a template or a reference from a value."""
    from detect_secrets.filters import heuristic  # noqa: PLC0415

    return (
        heuristic.is_templated_secret(value)
        or heuristic.is_prefixed_with_dollar_sign(value)
        or heuristic.is_not_alphanumeric_string(value)
        or value.startswith(("{", "<", "%"))
    )


def _is_allowed(path: str, line: str) -> bool:
    """Tell whether the line says `pragma: allowlist secret`, as detect-secrets has it."""
    from detect_secrets.filters.allowlist import is_line_allowlisted  # noqa: PLC0415
    from detect_secrets.util.code_snippet import get_code_snippet  # noqa: PLC0415

    return is_line_allowlisted(path, line, get_code_snippet([line], 1))


def _cut(line: str) -> Sequence[str]:
    """Return a line in pieces that overlap: the patterns are made for lines that people write."""
    if len(line) <= _WINDOW:
        return (line,)
    return [line[start : start + _WINDOW] for start in range(0, len(line), _WINDOW - _OVERLAP)]


@cache
def _token_detectors() -> tuple[RegexBasedDetector, ...]:
    from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class  # noqa: PLC0415 - 0.1 s

    kinds = {one.__name__: one for one in get_mapping_from_secret_type_to_class().values()}
    return tuple(kinds[name]() for name in _SHAPES)  # type: ignore[misc]


@cache
def _url_detector() -> BasePlugin:
    from detect_secrets.plugins.basic_auth import BasicAuthDetector  # noqa: PLC0415

    return BasicAuthDetector()


@cache
def _keyword_detector() -> BasePlugin:
    from detect_secrets.plugins.keyword import KeywordDetector  # noqa: PLC0415

    return KeywordDetector()


@cache
def _secret_names() -> re.Pattern[str]:
    """Return what every line has that the keyword detector finds anything in."""
    from detect_secrets.plugins.keyword import DENYLIST  # noqa: PLC0415

    return re.compile("|".join(DENYLIST), re.IGNORECASE)


def _name(detector: RegexBasedDetector) -> str:
    kind = str(detector.secret_type)
    return f"{'an' if kind[0] in 'AEIO' else 'a'} {kind}"
