"""Database URLs: what they name, and that no half of a password is ever taken for something that is shown."""

from __future__ import annotations

import pytest

from devenv.domain.database import parse_url


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://special:p@ss/w:rd#x@127.0.0.1/app",
        "postgresql://app:12/3@host/db",
        "postgresql://app:a?b@host/db",
        "mysql://app:x#y@host/db",
    ],
)
def test_url_is_refused_when_its_password_is_not_encoded(url: str) -> None:
    """Its pieces would be shown as host and database."""
    with pytest.raises(ValueError, match="in a password, write / "):
        parse_url(url, "/")


def test_encoded_password_is_read() -> None:
    """The same letters, as a URL writes them."""
    found = parse_url("postgresql://app:p%40ss%2Fw%3Ard%23@127.0.0.1:5433/shop?schema=ledger", "/")
    assert (found.password, found.port, found.name, found.schema) == ("p@ss/w:rd#", 5433, "shop", "ledger")
    assert found.describe() == "database shop, schema ledger at 127.0.0.1:5433"
