"""Runs the migrations on DATABASE_URL, or writes them as SQL (`alembic upgrade head --sql`)."""

from logging.config import fileConfig

from alembic import context
from app.database import CONNECT_TIMEOUT_S, read_database_url
from app.models import Base
from sqlalchemy import NullPool, create_engine

if context.config.config_file_name is not None:
    fileConfig(context.config.config_file_name, disable_existing_loggers=False)


def write_sql() -> None:
    context.configure(url=read_database_url(), target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()


def migrate_database() -> None:
    # Not the server's engine: a migration may take longer than a request.
    engine = create_engine(read_database_url(), poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_S})
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    write_sql()
else:
    migrate_database()
