"""networks and credentials with which a person has created keys.

The old code works with the new schema: it does not use the table.
"""

import sqlalchemy as sa
from alembic import op

from reflow_accounts.database import UTCDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
compatible_from = "0012"


def upgrade():
    op.create_table(
        "key_origins",
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("first_used_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_key_origins_user_id_users")),
        sa.PrimaryKeyConstraint("user_id", "digest", name=op.f("pk_key_origins")),
    )


def downgrade():
    op.drop_table("key_origins")
