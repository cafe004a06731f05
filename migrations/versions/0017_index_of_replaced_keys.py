"""an index on the keys that a key replaced: without it, each dialog that revokes a key read all keys.

The old code works with the new schema: it does not see the index.
"""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
compatible_from = "0014"


def upgrade():
    op.create_index("ix_api_keys_replaced_by_id", "api_keys", ["replaced_by_id"])


def downgrade():
    op.drop_index("ix_api_keys_replaced_by_id", "api_keys")
