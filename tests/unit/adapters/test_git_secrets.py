"""What counts as a secret and what does not. The secrets here are made up, of parts, so that no scanner minds."""

from __future__ import annotations

import pytest

from devenv.adapters.git.secrets import find_secret, judge_name

RANDOM = "kJ8s9Df7" + "Qp2LmZx4"
GITHUB = "gh" + "p_" + "Zq3" * 12
AWS = "AK" + "IA" + "Q4NTRKWZ7H2XLMPB"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0In0" + ".c2lnbmF0dXJlLW9mLWl0"
BODY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 3


def key(kind: str = "", newline: str = "\n") -> str:
    """Return what looks like a private key."""
    words = f"{kind} PRIVATE KEY".strip()
    return f"-----BEGIN {words}-----{newline}{BODY}{newline}-----END {words}-----\n"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("settings.py", f'GITHUB = "{GITHUB}"'),
        ("deploy.sh", f"aws configure set aws_access_key_id {AWS}"),
        ("notes.txt", f"use {JWT} to log in"),
        ("config.js", "fetch('https://hooks.slack" + ".com/services/T0AB1CD2E/B0AB1CD2E/" + RANDOM + "')"),
        (".npmrc", "//registry.example.org/:_authToken=" + "npm_" + "Ab3" * 12),
        ("pay.rb", "Stripe.api_key = '" + "sk_" + "live_" + "aB3" * 8 + "'"),
        ("ai.py", "client('" + "sk-" + "ant-" + "api03-" + RANDOM * 2 + "')"),
        ("maps.html", "key=" + "AI" + "za" + "SyB3xK9d2Lq8ZpV7wRt5NcM1hGf4JkYoEu0"),
        ("ci.yml", "token: " + "gl" + "pat-" + RANDOM + "x9Ty"),
        ("settings.py", f'SECRET_KEY = "{RANDOM}x9"'),
        ("app.ts", f"const apiKey = '{RANDOM}x9';"),
        ("values.yaml", f"dbPassword: {RANDOM}"),
        ("Dockerfile", f"ENV API_TOKEN={RANDOM}"),
        ("run.sh", f"export DB_PASSWORD={RANDOM}"),
        (".env.example", f"API_KEY={RANDOM}"),
        ("compose.yml", f"  URL: postgres://app:{RANDOM}@db.shop.io:5432/app"),
        ("settings.py", 'URL = "mysql://root' + ':Tuesday-7@10-0-0-3.rds.amazonaws.com/shop"'),
        ("settings.py", 'URL = "mysql://root' + ':p@ss-Tuesday@db.shop.io/shop"'),
        ("server.txt", key("RSA")),
        ("server.txt", key()),
        ("server.txt", key("EC", "\r\n")),
        ("server.txt", key("OPENSSH")),
        ("server.txt", key("ENCRYPTED")),
        ("account.json", f'{{"private_key": "{key(newline=chr(92) + "n")}"}}'),
        ("server.pem", f"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\n{BODY}\n"),
        ("key.asc", f"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n{BODY}\n"),
        ("min.js", "x();" * 3000 + f'apiKey="{RANDOM}x9";' + "y();" * 3000),
    ],
)
def test_secret_is_found(path: str, text: str) -> None:
    """Tokens by their shape, passwords in URLs by their host, other values by their name and their looks."""
    found = find_secret(path, f"first line\n{text}\n")
    assert found is not None
    assert found.line == 2
    assert found.sentence.startswith("looks like it holds a secret: a")
    assert RANDOM not in found.sentence


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("compose.yml", "POSTGRES_PASSWORD: postgres"),
        ("compose.yml", "POSTGRES_PASSWORD: ${POSTGRES_PASSWORD:?set it in the shell 1}"),
        ("compose.yml", f"URL: postgres://app:{RANDOM}@db:5432/app"),
        ("settings.py", f'URL = "redis://:{RANDOM}@127.0.0.1:6379/0"'),
        ("settings.py", 'URL = f"postgres://{user}:{password}@{host}.shop.io/app"'),
        ("settings.py", 'URL = "postgres://user:password@db.shop.io/app"'),
        ("settings.py", 'SECRET_KEY = os.environ["SECRET_KEY_2024_PRODUCTION"]'),
        ("settings.py", 'API_KEY = "your-api-key-goes-here-123"'),
        ("tests.py", 'password = "correct horse battery staple 1"'),
        ("tests.py", 'token = "s3cret"'),
        ("user.py", 'password_field = "user_password_hash_v2"'),
        ("README.md", "token: ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("README.md", "aws_access_key_id = AKIAIOSFODNN7EXAMPLE"),
        ("keys.py", 'HEADER = "-----BEGIN PRIVATE KEY-----"'),
        ("server.crt", f"-----BEGIN CERTIFICATE-----\n{BODY}\n"),
        ("id_rsa.pub", f"ssh-rsa AAAAB3NzaC1yc2E{BODY} ada@example.org"),
        ("package-lock.json", f'"js-tokens": {{"integrity": "sha512-{BODY}=="}}, "token": "{RANDOM}x9"'),
        ("uv.lock", 'hash = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08" # token'),
        ("commit.txt", "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"),
        ("uuid.yml", "token_id: 123e4567-e89b-12d3-a456-426614174000"),
        ("app.min.js", 'var a="abcdefghijklmnopqrstuvwxyz0123456789",token=function(e){return e.t0};' * 50),
        ("app.py", "token = tokenizer.next_token(position=17)"),
        ("allowed.py", f'SECRET_KEY = "{RANDOM}x9"  # pragma: allowlist secret'),
    ],
)
def test_what_is_no_secret_stays_quiet(path: str, text: str) -> None:
    """Placeholders, templates, local passwords, hashes, lock files, code."""
    assert find_secret(path, f"first line\n{text}\n") is None


def test_secret_that_was_there_before_is_not_new() -> None:
    """Even where its line changed; another one in the same file is."""
    before = f'A = 1\nSECRET_KEY = "{RANDOM}x9"\nKEY = "{GITHUB}"\n'
    moved = f'SECRET_KEY = "{RANDOM}x9"  # the old one\nKEY = "{GITHUB}" \n'
    assert find_secret("settings.py", moved, before) is None
    other = find_secret(
        "settings.py", f'{moved}OTHER_KEY = "{GITHUB.swapcase()}"\nAPI_KEY = "z{RANDOM[::-1]}"\n', before
    )
    assert other is not None
    assert other.line == 4
    token = GITHUB.replace("Zq3", "Yq4")
    assert find_secret("settings.py", f'{before}\n"{token}"', before) is not None


def test_only_shapes_count_in_what_is_binary() -> None:
    """There, an equals sign makes no assignment."""
    assert find_secret("data.bin", f"\0password={RANDOM}\n", is_binary=True) is None
    assert find_secret("data.bin", f"\0{key('RSA')}", is_binary=True) is not None


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (".env", ".env is an environment file"),
        ("api/.env.production", "api/.env.production is an environment file"),
        (".ENV.local", ".ENV.local is an environment file"),
        (".envs/.production/.django", ".envs/ is an environment file"),
        ("docker/db.env", "docker/db.env is an environment file"),
        ("keys/id_rsa", "keys/id_rsa is named like a private key"),
        ("cert.P12", "cert.P12 is a store of keys"),
        (".netrc", ".netrc holds logins"),
        (".env.example", ""),
        ("api/.env.sample", ""),
        (".env.template", ""),
        ("id_rsa.pub", ""),
        ("environment.py", ""),
        ("server.key", ""),
        ("server.pem", ""),
    ],
)
def test_names_tell_of_secrets(path: str, named: str) -> None:
    """Whatever the file holds; samples are read instead, and so are keys, which may be public."""
    found = judge_name(path)
    assert (f"{found.path} {found.why}" if found else "") == named
