"""The tables, as the code wants them; migrations/ must lead to the same."""

from datetime import datetime

from sqlalchemy import DateTime, MetaData, String, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    # PostgreSQL's own way of naming, so that a migration can name what it drops.
    metadata = MetaData(
        naming_convention={"pk": "%(table_name)s_pkey", "uq": "%(table_name)s_%(column_0_name)s_key"},
    )


class User(Base):
    """Whoever can sign in. Keys are kept as sha256 digests only: the table's reader cannot use them."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    primary_api_key_digest: Mapped[str | None] = mapped_column(String(64), unique=True)
    secondary_api_key_digest: Mapped[str | None] = mapped_column(String(64), unique=True)
