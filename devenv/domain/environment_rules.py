"""What `devenv check` asks of the variables that a service gets: required, forbidden, weak, left from an example.

Pure. Must not know where variables come from. Invariant: no value of a secret is ever shown, whole or in part; a
variable has at most one finding about its secret.
"""

import re
from collections.abc import Iterator, Mapping

from devenv.domain.findings import Finding, Severity, Topic
from devenv.domain.model import EnvironmentRules

SHORTEST_SECRET = 8

_TRUE = frozenset({"true", "1", "yes", "on", "y", "t"})
_FALSE = frozenset({"false", "0", "no", "off", "n", "f"})
_WELL_KNOWN = frozenset({
    "abc", "admin", "administrator", "app", "changeit", "changeme", "default", "demo", "dev", "devel", "develop",
    "development", "devpassword", "devsecret", "example", "foobar", "guest", "hunter", "insecure", "jwtsecret",
    "keyboardcat", "letmein", "local", "localhost", "mariadb", "minio", "minioadmin", "mongo", "mysecret",
    "mysecretpassword", "mysql", "p@ssw0rd", "p@ssword", "pass", "passw0rd", "passwd", "password", "postgres",
    "postgresql", "qwerty", "rabbitmq", "redis", "root", "rootpassword", "s3cret", "sa", "secret", "secretkey",
    "secretpassword", "supersecret", "supersecretkey", "sysadmin", "test", "testing", "testpassword", "toor", "user",
    "verysecret", "welcome",
})  # fmt: skip
_WELL_KNOWN_STARTS = ("django-insecure-", "dev-only-", "insecure-")
_DIGITS_IN_ORDER = "01234567890"
_PLACEHOLDER = re.compile(
    r"change[ _-]?(?:me|this|it)|replace[ _-]?(?:me|this|with)|^your[ _-]|[/@:=]your[ _-]|<[^<>]+>|x{3,}|placeholder"
    r"|to[ _-]?do\b|fix[ _-]?me|\binsert[ _-]|\benter[ _-]your|\bput[ _-]your|dummy"
    r"|\bexample\.(?:com|org|net)\b|\.\.\.|…",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"[a-z][a-z0-9+.-]*://([^/@:\s]*):([^/@\s]+)@", re.IGNORECASE)
_SECRET_ENDS = frozenset({"PASSWORD", "PASSWD", "PASS", "PASSPHRASE", "PWD", "SECRET", "TOKEN", "KEY", "APIKEY"})
_NO_SECRETS = frozenset({"PUBLIC", "PUBLISHABLE", "PRIMARY", "FOREIGN", "SORT", "PARTITION", "CACHE", "HEADER", "NAME"})
_SWITCHES = frozenset({"ALLOW", "DISABLE", "ENABLE", "RANDOM", "REQUIRE", "USE", "SHOW", "HIDE", "IS", "HAS", "NO"})
_USER_ENDS = ("USER", "USERNAME")


def check_environment(
    service: str,
    environment: Mapping[str, str],
    rules: EnvironmentRules,
    *,
    placeholders: Mapping[str, str],
    is_remote: bool,
) -> tuple[Finding, ...]:
    """Return what is wrong with the `environment` of `service`.

    `placeholders` are the variables of its `.env.example`. Passwords that everybody knows are normal where everything
    runs on one machine, and grave with `is_remote`: another environment is looked at.
    """
    findings = [
        *_check_required(service, environment, rules, placeholders),
        *_check_forbidden(service, environment, rules),
    ]
    told = {finding.id.partition(":")[2] for finding in findings}
    for name in sorted(environment):
        if name in told or not environment[name].strip():
            continue
        found = _check_placeholder(service, name, environment, rules, placeholders) or _check_secret(
            service, name, environment, rules, is_remote=is_remote
        )
        findings += [found] if found else []
    return tuple(findings)


def is_secret_name(name: str) -> bool:
    """Tell whether a variable of this name holds a secret by itself (not its path, its length or its lifetime)."""
    words = [word for word in re.split(r"[^A-Z0-9]+", name.upper()) if word]
    if words and words[-1].isdigit():
        words.pop()
    if not words or words[-1].rstrip("0123456789") not in _SECRET_ENDS:
        return False
    is_bare = len(words) == 1 and words[0] in {"PWD", "PASS", "KEY"}  # the shell's own PWD, and words of many meanings
    return not is_bare and words[0] not in _SWITCHES and not _NO_SECRETS & set(words) and words[0] != "OLDPWD"


def _check_required(
    service: str, environment: Mapping[str, str], rules: EnvironmentRules, placeholders: Mapping[str, str]
) -> Iterator[Finding]:
    for name in dict.fromkeys(rules.required):
        if environment.get(name, "").strip():
            continue
        state = "is empty" if name in environment else "is not set"
        where = f" ({rules.example} shows it)" if rules.example and name in placeholders else ""
        yield Finding(
            id=f"env-required:{name}",
            severity=Severity.ERROR,
            topic=Topic.ENVIRONMENT,
            text=f"{service} needs {name}, which {state}",
            fix=f"give {name} a value in the environment of {service}{where}",
        )


def _check_forbidden(service: str, environment: Mapping[str, str], rules: EnvironmentRules) -> Iterator[Finding]:
    for name, values in rules.forbidden.items():
        value = environment.get(name)
        if value is None or not (any(_means_the_same(value, one) for one in values) if values else value.strip()):
            continue
        shown = name if _holds_secret(name, value, rules) else f"{name}={value}"
        yield Finding(
            id=f"env-forbidden:{name}",
            severity=Severity.ERROR,
            topic=Topic.ENVIRONMENT,
            text=f"{service} has {shown}, {'a value' if values else 'a variable'} that its rules forbid",
            fix=f"take {name} out of the environment of {service}, or give it another value",
        )


def _check_placeholder(
    service: str,
    name: str,
    environment: Mapping[str, str],
    rules: EnvironmentRules,
    placeholders: Mapping[str, str],
) -> Finding | None:
    value = environment[name].strip()
    if placeholders.get(name, "").strip() != value or not _PLACEHOLDER.search(value):
        return None
    is_grave = name in rules.required or _holds_secret(name, value, rules)
    return Finding(
        id=f"env-placeholder:{name}",
        severity=Severity.ERROR if is_grave else Severity.WARNING,
        topic=Topic.ENVIRONMENT,
        text=f"{name} of {service} still has the placeholder of the example file",
        fix=f"give {name} its real value in the environment of {service}",
    )


def _check_secret(
    service: str, name: str, environment: Mapping[str, str], rules: EnvironmentRules, *, is_remote: bool
) -> Finding | None:
    value = environment[name].strip()
    if carried := _CREDENTIALS.search(value):
        fault = _find_weakness(carried[2], (carried[1],))
        holder = f"the password in {name}"
    elif name in rules.secrets or is_secret_name(name):
        fault = _find_weakness(value, _users_beside(name, environment))
        holder = name
    else:
        return None
    if not fault:
        return None
    return Finding(
        id=f"env-weak:{name}",
        severity=Severity.ERROR if is_remote else Severity.WARNING,
        topic=Topic.ENVIRONMENT,
        text=f"{holder} of {service} {fault}",
        fix=f"give {name} a long random value, such as one from: openssl rand -hex 24",
    )


def _find_weakness(secret: str, users: tuple[str, ...]) -> str:
    """Return what makes a secret easy to guess, '' where nothing does; never a part of it."""
    plain = secret.casefold()
    letters = plain.rstrip("0123456789!")
    if plain in _WELL_KNOWN or letters in _WELL_KNOWN or re.sub(r"[\W_]", "", letters) in _WELL_KNOWN:
        return "is a well-known default"
    if plain.startswith(_WELL_KNOWN_STARTS) or plain in _DIGITS_IN_ORDER:
        return "is a well-known default"
    if plain in {user.casefold() for user in users if user}:
        return "equals the name of its user"
    if len(set(secret)) == 1:
        return "is one character repeated"
    return f"is shorter than {SHORTEST_SECRET} characters" if len(secret) < SHORTEST_SECRET else ""


def _users_beside(name: str, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the user that belongs to a password: POSTGRES_USER to POSTGRES_PASSWORD."""
    stem, _, _ = name.rpartition("_")
    return tuple(environment.get(f"{stem}_{end}" if stem else end, "") for end in _USER_ENDS)


def _holds_secret(name: str, value: str, rules: EnvironmentRules) -> bool:
    return name in rules.secrets or is_secret_name(name) or _CREDENTIALS.search(value) is not None


def _means_the_same(value: str, forbidden: str) -> bool:
    """Tell whether two values are one to a program that reads switches: `True`, `1` and `yes` are."""
    left, right = value.strip().casefold(), forbidden.strip().casefold()
    return left == right or any(left in family and right in family for family in (_TRUE, _FALSE))
