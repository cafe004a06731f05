"""the hash chain of each account and team over its events and uses, filled by a background job.

The old code works with the new schema: it does not know the tables.
"""

import sqlalchemy as sa
from alembic import op

from reflow_accounts.database import UTCDateTime

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "chain_links",
        sa.Column("chain", sa.String(length=32), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("previous", sa.LargeBinary(length=32), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("chain", "number", name="pk_chain_links"),
    )
    op.create_table(
        "chain_cursor",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("events_upto", sa.BigInteger(), nullable=False),
        sa.Column("uses_upto", sa.BigInteger(), nullable=False),
        sa.Column("uses_added_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_chain_cursor"),
    )


def downgrade():
    op.drop_table("chain_cursor")
    op.drop_table("chain_links")
