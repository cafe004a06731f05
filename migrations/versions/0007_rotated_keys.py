"""keys that a rotation replaced: when, and by which key; such a key gives its name free.

The old code works with the new schema: it writes neither column, and the new index forbids no more than the old.
"""

import sqlalchemy as sa
from alembic import op

from reflow_accounts.database import UTCDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_COLUMNS = ["user_id", "folded_name"]


def upgrade():
    op.add_column("api_keys", sa.Column("replaced_at", UTCDateTime(), nullable=True))
    # SQLite adds a column with its reference in place, without copying the table.
    op.execute(
        "ALTER TABLE api_keys ADD COLUMN replaced_by_id BIGINT "
        "CONSTRAINT fk_api_keys_replaced_by_id_api_keys REFERENCES api_keys (id)"
    )
    _index("uq_api_keys_current_name", "revoked_at IS NULL AND replaced_at IS NULL")
    op.drop_index("uq_api_keys_live_name", "api_keys")


def downgrade():
    # Replaced keys work on until they end. They share their name with the new key, so that only the
    # folded name, by which names are compared, can change.
    op.execute(
        "UPDATE api_keys SET folded_name = public_id WHERE revoked_at IS NULL AND replaced_at IS NOT NULL"
    )
    _index("uq_api_keys_live_name", "revoked_at IS NULL")
    op.drop_index("uq_api_keys_current_name", "api_keys")
    op.drop_column("api_keys", "replaced_by_id")
    op.drop_column("api_keys", "replaced_at")


def _index(name, condition):
    op.create_index(
        name,
        "api_keys",
        _COLUMNS,
        unique=True,
        sqlite_where=sa.text(condition),
        postgresql_where=sa.text(condition),
    )
