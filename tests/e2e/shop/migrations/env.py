"""Runs the migrations on DATABASE_URL, or writes them as SQL (`--sql`)."""

import os

from alembic import context
from app.models import Base
from sqlalchemy import create_engine

if context.is_offline_mode():
    context.configure(url=os.environ["DATABASE_URL"], target_metadata=Base.metadata, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
