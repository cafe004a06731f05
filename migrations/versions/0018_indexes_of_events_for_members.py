"""indexes for the Activity of members without Admin rights, which read all events of their team.

The old code works with the new schema: it does not see the indexes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
compatible_from = "0014"

INDEXES = {"ix_audit_events_team_action": "action", "ix_audit_events_team_actor": "actor_id"}


def upgrade():
    of_teams = sa.text("team_id IS NOT NULL")
    for name, column in INDEXES.items():
        columns = ["team_id", column, "at", "id"]
        op.create_index(name, "audit_events", columns, sqlite_where=of_teams, postgresql_where=of_teams)


def downgrade():
    for name in INDEXES:
        op.drop_index(name, "audit_events")
