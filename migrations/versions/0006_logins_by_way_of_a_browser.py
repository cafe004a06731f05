"""logins that a terminal asks for and a browser approves, and the machine that a session is on."""

import sqlalchemy as sa
from alembic import op

from reflow_accounts.database import UTCDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "device_logins",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("device_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("user_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("host", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("user_agent", sa.String(length=255), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.Column("polled_at", UTCDateTime(), nullable=True),
        sa.Column("user_id", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.Column("is_approved", sa.Boolean(), nullable=True),
        sa.Column("used_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_device_logins_user_id_users")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_device_logins")),
        sa.UniqueConstraint("device_digest", name=op.f("uq_device_logins_device_digest")),
        sa.UniqueConstraint("public_id", name=op.f("uq_device_logins_public_id")),
        sa.UniqueConstraint("user_digest", name=op.f("uq_device_logins_user_digest")),
    )
    with op.batch_alter_table("device_logins", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_device_logins_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_device_logins_user_id"), ["user_id"], unique=False)

    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("host", sa.String(length=64), nullable=True))


def downgrade():
    with op.batch_alter_table("user_sessions", schema=None) as batch_op:
        batch_op.drop_column("host")

    with op.batch_alter_table("device_logins", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_device_logins_user_id"))
        batch_op.drop_index(batch_op.f("ix_device_logins_expires_at"))

    op.drop_table("device_logins")
