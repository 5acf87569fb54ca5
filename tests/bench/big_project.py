"""The large schema of `big_schema` as projects write it: schema.prisma, SQLAlchemy models, an Alembic environment.

Must not know who measures. Invariant: each text describes exactly the tables of `write_ddl`, so that a check of the
untouched database has nothing to say.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.bench.big_schema import TABLES

ENUMS = 20
VALUES = ("new", "open", "paid", "void")

ALEMBIC_INI = """[alembic]
script_location = migrations
sqlalchemy.url =
"""

ENV_PY = """import os
from alembic import context
from models import Base
from sqlalchemy import create_engine

if context.is_offline_mode():
    context.configure(url=os.environ["DATABASE_URL"], target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
"""

REVISION = """revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade():
    pass
"""


def write_alembic(tables: int = TABLES) -> Mapping[str, str]:
    """Return the files of an Alembic project by their paths; its one revision is `0001`."""
    return {
        "alembic.ini": ALEMBIC_INI,
        "models.py": write_models(tables),
        "migrations/env.py": ENV_PY,
        "migrations/script.py.mako": "",
        "migrations/versions/0001_all.py": REVISION,
    }


def write_prisma(tables: int = TABLES) -> str:
    """Return schema.prisma."""
    head = 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\n'
    enums = [f"enum state_{number} {{\n" + "".join(f"  {one}\n" for one in VALUES) + "}\n" for number in range(ENUMS)]
    return "\n".join([head, *enums, *(_write_model(number, tables) for number in range(tables))])


def write_models(tables: int = TABLES) -> str:
    """Return a Python module with a declarative class for each table."""
    head = f"""from datetime import datetime
from decimal import Decimal
from sqlalchemy import (
    BigInteger, Boolean, DateTime, Double, Enum, ForeignKey, Identity, Index, Numeric, String, Text, UniqueConstraint,
    func, text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    pass


STATES = [Enum(*{VALUES!r}, name=f"state_{{number}}", metadata=Base.metadata) for number in range({ENUMS})]
"""
    return "\n\n".join([head, *(_write_class(number) for number in range(tables))])


def _write_model(number: int, tables: int) -> str:
    name, before, after = _name(number), _name(max(number - 1, 0)), _name(number + 1)
    children = ([before] if number == 0 else []) + ([after] if number + 1 < tables else [])
    owner = 0 if number == 0 else number
    lines = [
        "id BigInt @id @default(autoincrement())",
        "parent_id BigInt?",
        "account_code String @db.VarChar(40)",
        'title String @default("")',
        f"state state_{number % ENUMS} @default(new)",
        "amount Decimal @db.Decimal(12, 2)",
        "weight Float?",
        "details Json?",
        "labels String[] @default([])",
        "is_active Boolean @default(true)",
        "created_at DateTime @default(now()) @db.Timestamptz(6)",
        "updated_at DateTime? @db.Timestamp(3)",
        f'parent {before}? @relation("of_{owner}", fields: [parent_id], references: [id])',
        *(f'children_{child} {child}[] @relation("of_{_number(child)}")' for child in children),
        "@@unique([account_code, created_at])",
        "@@index([parent_id])",
        "@@index([state, created_at])",
    ]
    return f"model {name} {{\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def _write_class(number: int) -> str:
    name, before = _name(number), _name(max(number - 1, 0))
    return f"""class Entry{number}(Base):
    __tablename__ = "{name}"
    __table_args__ = (
        UniqueConstraint("account_code", "created_at"),
        Index("{name}_parent", "parent_id"),
        Index("{name}_state", "state", "created_at"),
        Index("{name}_title", text("lower(title)"), unique=True),
        Index("{name}_active", "created_at", postgresql_where=text("is_active")),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("{before}.id"))
    account_code: Mapped[str] = mapped_column(String(40))
    title: Mapped[str] = mapped_column(Text, server_default="")
    state: Mapped[str] = mapped_column(STATES[{number % ENUMS}], server_default="new")
    amount: Mapped[Decimal] = mapped_column(Numeric(12, 2))
    weight: Mapped[float | None] = mapped_column(Double)
    details: Mapped[dict | None] = mapped_column(JSONB)
    labels: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default="{{}}")
    is_active: Mapped[bool] = mapped_column(Boolean, server_default=text("true"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    updated_at: Mapped[datetime | None] = mapped_column(TIMESTAMP(precision=3))
"""


def _name(number: int) -> str:
    return f"ledger_entry_{number:03}"


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])
