"""The rules for variables: required, forbidden, weak and left from an example; no secret is ever shown."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from devenv.domain.environment_rules import check_environment, is_secret_name
from devenv.domain.findings import Finding, Severity
from devenv.domain.model import EnvironmentRules


def check(
    environment: Mapping[str, str],
    rules: EnvironmentRules | None = None,
    *,
    placeholders: Mapping[str, str] | None = None,
    is_remote: bool = False,
) -> list[Finding]:
    """Return what is found for the service `api`."""
    found = check_environment(
        "api", environment, rules or EnvironmentRules(), placeholders=placeholders or {}, is_remote=is_remote
    )
    return list(found)


def ids(findings: list[Finding]) -> list[str]:
    """Return the ids alone."""
    return [finding.id for finding in findings]


def test_nothing_is_found_when_every_rule_is_kept() -> None:
    """The example's values may stay where they are real ones."""
    environment = {"PORT": "8000", "API_TOKEN": "3f9a7be1c0d24", "DATABASE_URL": "postgres://app:3f9a7be1c0@db/app"}
    rules = EnvironmentRules(required=("PORT",), forbidden={"CC_DROP_TABLES": ("true",)}, secrets=("SIGNING",))

    assert check(environment, rules, placeholders={"PORT": "8000"}, is_remote=True) == []


@pytest.mark.parametrize(("environment", "state"), [({}, "is not set"), ({"MAIL_FROM": " "}, "is empty")])
def test_required_variable_is_found_when_it_has_no_value(environment: dict[str, str], state: str) -> None:
    """Missing and empty differ in the words, not in the weight."""
    (finding,) = check(environment, EnvironmentRules(required=("MAIL_FROM",)))

    assert (finding.id, finding.severity) == ("env-required:MAIL_FROM", Severity.ERROR)
    assert finding.text == f"api needs MAIL_FROM, which {state}"


@pytest.mark.parametrize("value", ["true", "True", "1", "YES", " on "])
def test_forbidden_value_is_found_when_it_means_the_same(value: str) -> None:
    """A program that reads switches takes all of these for true."""
    (finding,) = check({"CC_DROP_TABLES": value}, EnvironmentRules(forbidden={"CC_DROP_TABLES": ("true",)}))

    assert (finding.id, finding.severity) == ("env-forbidden:CC_DROP_TABLES", Severity.ERROR)
    assert f"CC_DROP_TABLES={value}" in finding.text


@pytest.mark.parametrize(
    ("values", "value", "is_found"),
    [((), "anything", True), ((), "", False), (("true",), "false", False), (("prod", "live"), "LIVE", True)],
)
def test_forbidden_variable_is_found_by_its_values(values: tuple[str, ...], value: str, is_found: bool) -> None:
    """Without values the variable must not be there at all."""
    assert bool(check({"MODE": value}, EnvironmentRules(forbidden={"MODE": values}))) is is_found


@pytest.mark.parametrize(
    ("secret", "fault"),
    [
        ("postgres", "is a well-known default"),
        ("Admin123!", "is a well-known default"),
        ("my-secret-password", "is a well-known default"),
        ("12345678", "is a well-known default"),
        ("django-insecure-8s7df6s8d7f6", "is a well-known default"),
        ("billing-svc", "equals the name of its user"),
        ("zzzzzzzzzzzz", "is one character repeated"),
        ("k3Jd9", "is shorter than 8 characters"),
    ],
)
def test_password_is_weak_when_it_is_easily_guessed(secret: str, fault: str) -> None:
    """The words name the variable and the fault, never the value."""
    (finding,) = check({"DB_PASSWORD": secret, "DB_USER": "Billing-svc"})

    assert finding.id == "env-weak:DB_PASSWORD"
    assert finding.text == f"DB_PASSWORD of api {fault}"
    assert secret not in finding.fix


@pytest.mark.parametrize(("is_remote", "severity"), [(False, Severity.WARNING), (True, Severity.ERROR)])
def test_weak_password_is_grave_when_the_environment_is_remote(is_remote: bool, severity: Severity) -> None:
    """Development defaults are normal on one machine."""
    assert [finding.severity for finding in check({"DB_PASSWORD": "admin"}, is_remote=is_remote)] == [severity]


def test_password_of_a_url_is_weak_when_it_is_the_users_name() -> None:
    """Whatever the variable is called."""
    (finding,) = check({"QUEUE": "amqp://billing:billing@mq:5672/"})

    assert finding.text == "the password in QUEUE of api equals the name of its user"


@pytest.mark.parametrize(
    "name", ["API_KEY", "JWT_SECRET", "GITHUB_TOKEN", "POSTGRES_PASSWORD", "SMTP_PWD", "OLD_KEY_2"]
)
def test_name_is_a_secrets_when_it_ends_so(name: str) -> None:
    """By its last word."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["PWD", "OLDPWD", "PASSWORD_MIN_LENGTH", "TOKEN_TTL", "PUBLIC_KEY", "CACHE_KEY", "KEYCLOAK_URL", "DB_PASSWORD_FILE",
     "ALLOW_EMPTY_PASSWORD", "MONKEY", "KEY", "PATH"],
)  # fmt: skip
def test_name_is_no_secrets_when_it_is_about_one(name: str) -> None:
    """Its length, lifetime, place, or something else."""
    assert not is_secret_name(name)


def test_variable_is_held_to_the_rules_for_passwords_when_it_is_listed() -> None:
    """`secrets:` names what no rule could know."""
    assert ids(check({"SIGNING": "short"}, EnvironmentRules(secrets=("SIGNING",)))) == ["env-weak:SIGNING"]


@pytest.mark.parametrize(
    "value",
    ["changeme", "CHANGE_ME", "your-api-key", "<token>", "xxxx", "replace_me", "https://example.com/hook", "sk-...",
     "TODO", "postgres://app:your-password@db/app"],
)  # fmt: skip
def test_placeholder_is_found_when_it_is_the_examples(value: str) -> None:
    """Only the value of the example file counts."""
    assert ids(check({"HOOK": value}, placeholders={"HOOK": value})) == ["env-placeholder:HOOK"]
    assert "env-placeholder:HOOK" not in ids(check({"HOOK": value}, placeholders={"HOOK": "other"}))


@pytest.mark.parametrize(
    ("name", "severity"),
    [("MAIL_FROM", Severity.WARNING), ("DSN", Severity.ERROR), ("STRIPE_KEY", Severity.ERROR)],
)
def test_placeholder_is_grave_when_it_is_required_or_a_secret(name: str, severity: Severity) -> None:
    """One finding, though the value would be a weak password as well."""
    rules = EnvironmentRules(required=("DSN",))
    (finding,) = check({"DSN": "set", name: "changeme"}, rules, placeholders={name: "changeme"})

    assert (finding.id, finding.severity) == (f"env-placeholder:{name}", severity)


def test_no_value_of_a_secret_is_shown_whatever_is_found() -> None:
    """Findings stand in CI logs."""
    environment = {
        "A_PASSWORD": "hush1", "B_TOKEN": "your-hush2", "C_URL": "redis://:hush3@h", "D_SECRET": "hush4", "E": "hush5",
    }  # fmt: skip
    rules = EnvironmentRules(forbidden={"D_SECRET": ("hush4",), "C_URL": ()}, secrets=("E",))

    found = check(environment, rules, placeholders={"B_TOKEN": "your-hush2"})

    assert len(found) == 5
    assert "hush" not in repr(found)
