"""add tenants"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply it."""
    op.add_column("users", sa.Column("tenant_id", sa.String(36)))
