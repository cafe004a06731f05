"""why a key was revoked, keys that are traps, and the refused attempts with a key.

The old code works with the new schema: it leaves the columns and tables alone. It knows no canary keys, and none of
its lookups finds one, because they have another digest.
"""

import sqlalchemy as sa
from alembic import op

from reflow_accounts.database import UTCDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade():
    op.add_column("api_keys", sa.Column("revoked_for", sa.String(20), nullable=True))
    op.add_column("api_keys", sa.Column("is_canary", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "key_refusals",
        sa.Column("key_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", UTCDateTime(), nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_key_refusals_key_id_api_keys"),
        sa.PrimaryKeyConstraint("key_id", "code", name="pk_key_refusals"),
    )
    op.create_table(
        "key_refused_attempts",
        sa.Column("key_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("code", sa.String(40), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("method", sa.String(10), nullable=False),
        sa.Column("path", sa.String(255), nullable=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("user_agent", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["api_keys.id"], name="fk_key_refused_attempts_key_id_api_keys"),
        sa.PrimaryKeyConstraint("key_id", "code", "slot", name="pk_key_refused_attempts"),
    )


def downgrade():
    # The old code would let a restored key in again anyway; a canary stays unknown by its digest.
    op.drop_table("key_refused_attempts")
    op.drop_table("key_refusals")
    op.drop_column("api_keys", "is_canary")
    op.drop_column("api_keys", "revoked_for")
