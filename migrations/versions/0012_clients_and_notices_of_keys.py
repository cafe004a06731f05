"""the clients of each key, mails about keys, and who wants which of them.

The old code works with the new schema: it reads and writes none of this.
"""

import sqlalchemy as sa
from alembic import op

from reflow_accounts.database import UTCDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

SWITCHES = ("mails_new_clients", "mails_refusals", "mails_ends", "mails_unused")


def upgrade():
    op.create_table(
        "key_clients",
        sa.Column("key_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("address", sa.String(45), nullable=False),
        sa.Column("program", sa.String(120), nullable=False),
        sa.Column("is_ci", sa.Boolean(), nullable=False),
        sa.Column("network", sa.String(45), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_at", UTCDateTime(), nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.Column("noticed_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", "address", "program", name="pk_key_clients"),
    )
    unnoticed = sa.text("noticed_at IS NULL")
    op.create_index(
        "ix_key_clients_unnoticed",
        "key_clients",
        ["key_id"],
        sqlite_where=unnoticed,
        postgresql_where=unnoticed,
    )
    op.create_table(
        "key_client_cursor",
        sa.Column("id", sa.SmallInteger(), nullable=False, autoincrement=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_key_client_cursor"),
    )
    op.create_table(
        "key_notices",
        sa.Column("user_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("key_id", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("subject", sa.String(120), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name="fk_key_notices_user_id_users"),
        sa.PrimaryKeyConstraint("user_id", "kind", "key_id", "subject", name="pk_key_notices"),
    )
    ending = sa.text("expires_at IS NOT NULL AND revoked_at IS NULL")
    op.create_index(
        "ix_api_keys_ending", "api_keys", ["expires_at"], sqlite_where=ending, postgresql_where=ending
    )
    for name in SWITCHES:
        op.add_column("users", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade():
    for name in SWITCHES:
        op.drop_column("users", name)
    op.drop_index("ix_api_keys_ending", "api_keys")
    for table in ("key_notices", "key_client_cursor", "key_clients"):
        op.drop_table(table)
