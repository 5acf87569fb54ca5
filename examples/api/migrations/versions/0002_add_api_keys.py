"""Add two API keys to a user, so that one can be replaced while the other works."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("users", sa.Column("primary_api_key_digest", sa.String(length=64), nullable=True))
    op.add_column("users", sa.Column("secondary_api_key_digest", sa.String(length=64), nullable=True))
    op.create_unique_constraint("users_primary_api_key_digest_key", "users", ["primary_api_key_digest"])
    op.create_unique_constraint("users_secondary_api_key_digest_key", "users", ["secondary_api_key_digest"])


def downgrade() -> None:
    op.drop_column("users", "secondary_api_key_digest")
    op.drop_column("users", "primary_api_key_digest")
