"""names of keys are compared without invisible characters and look-alikes.

Keys whose names have become alike stay as they are: the oldest takes the new form, others keep the older one. The old
code works with the new schema: it writes the older form, and forbids no more names than it did.
"""

import sqlalchemy as sa
from alembic import op

from reflow_accounts.web.text import comparable, folded

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_BATCH = 1000
_keys = sa.table(
    "api_keys", *map(sa.column, ("id", "user_id", "name", "folded_name", "revoked_at", "replaced_at"))
)


def upgrade():
    _rewrite(comparable)


def downgrade():
    _rewrite(folded)


def _rewrite(form):
    connection = op.get_bind()
    query = (
        sa.select(_keys.c.id, _keys.c.user_id, _keys.c.name, _keys.c.folded_name)
        .order_by(_keys.c.id)
        .limit(_BATCH)
    )
    last = 0
    while rows := connection.execute(query.where(_keys.c.id > last)).all():
        last = rows[-1].id
        for row in rows:
            new = form(row.name)
            if new != row.folded_name and not _is_taken(connection, row, new):
                connection.execute(sa.update(_keys).where(_keys.c.id == row.id).values(folded_name=new))


def _is_taken(connection, row, name):
    is_current = (_keys.c.revoked_at.is_(None), _keys.c.replaced_at.is_(None))
    same = sa.select(_keys.c.id).where(
        _keys.c.user_id == row.user_id, _keys.c.folded_name == name, *is_current
    )
    return connection.execute(same.limit(1)).first() is not None
