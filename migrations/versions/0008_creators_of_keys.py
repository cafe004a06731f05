"""which API key created an API key; empty for keys that a session created.

The old code works with the new schema: it leaves the column empty.
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade():
    # SQLite adds a column with its reference in place, without copying the table.
    op.execute(
        "ALTER TABLE api_keys ADD COLUMN created_by_id BIGINT "
        "CONSTRAINT fk_api_keys_created_by_id_api_keys REFERENCES api_keys (id)"
    )
    op.create_index("ix_api_keys_created_by_id", "api_keys", ["created_by_id"])


def downgrade():
    op.drop_index("ix_api_keys_created_by_id", "api_keys")
    op.drop_column("api_keys", "created_by_id")
