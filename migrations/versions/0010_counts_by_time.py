"""uses of each key by quarter of an hour, from which pages sum the days of any time zone.

The table starts empty: the first roll-up counts the log in short transactions, while queries read the rest of the log.
The old code works with the new schema: it fills no counts, and the cursor says up to which use they are complete.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "use_quarters",
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("quarter", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("accepted", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "quarter", name="pk_use_quarters"),
        sqlite_with_rowid=False,
    )
    op.add_column("use_marks", sa.Column("counted_upto", sa.BigInteger(), nullable=True))


def downgrade():
    op.drop_column("use_marks", "counted_upto")
    op.drop_table("use_quarters")
