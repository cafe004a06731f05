"""uses at scale: append-only without indexes, totals and spans folded from them, months on PostgreSQL."""

import sqlalchemy as sa
from alembic import op

from reflow_accounts.database import UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = "id, key_id, at, method, path, status, outcome, address, user_agent"


def upgrade():
    op.drop_index("ix_uses_key_id_at_id", "uses")
    if op.get_bind().dialect.name == "postgresql":
        _partition()
    else:
        with op.batch_alter_table("uses") as batch:
            batch.drop_constraint("fk_uses_key_id_api_keys", type_="foreignkey")
    op.create_table(
        "use_totals",
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
        sa.Column("last_used_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_use_totals"),
    )
    op.create_table(
        "use_spans",
        sa.Column("key_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("fold", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_id", sa.BigInteger(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("first_at", UTCDateTime(), nullable=False),
        sa.Column("last_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "fold", name="pk_use_spans"),
        sqlite_with_rowid=False,
    )
    marks = op.create_table(
        "use_marks",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("upto", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_use_marks"),
    )
    op.bulk_insert(marks, [{"id": 1, "upto": 0}])


def downgrade():
    op.drop_table("use_marks")
    op.drop_table("use_spans")
    op.drop_table("use_totals")
    if op.get_bind().dialect.name == "postgresql":
        _join()
    else:
        with op.batch_alter_table("uses") as batch:
            batch.create_foreign_key("fk_uses_key_id_api_keys", "api_keys", ["key_id"], ["id"])
    op.create_index("ix_uses_key_id_at_id", "uses", ["key_id", "at", "id"])


def _partition():
    """Put the uses into a table that is divided by month; what fits no month goes to the default part."""
    op.execute("ALTER TABLE uses RENAME TO uses_before")
    op.execute("ALTER TABLE uses_before RENAME CONSTRAINT pk_uses TO pk_uses_before")
    op.execute("ALTER SEQUENCE uses_id_seq OWNED BY NONE")
    op.execute(
        """
        CREATE TABLE uses (
            id BIGINT NOT NULL DEFAULT nextval('uses_id_seq'),
            key_id BIGINT NOT NULL,
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            method VARCHAR(10) NOT NULL,
            path VARCHAR(255) NOT NULL,
            status SMALLINT NOT NULL,
            outcome VARCHAR(40) NOT NULL,
            address VARCHAR(45) NOT NULL,
            user_agent VARCHAR(255) NOT NULL,
            CONSTRAINT pk_uses PRIMARY KEY (id, at)
        ) PARTITION BY RANGE (at)
        """
    )
    op.execute("ALTER SEQUENCE uses_id_seq OWNED BY uses.id")
    op.execute("CREATE TABLE uses_other PARTITION OF uses DEFAULT")
    op.execute(f"INSERT INTO uses ({_COLUMNS}) SELECT {_COLUMNS} FROM uses_before")  # noqa: S608
    op.execute("DROP TABLE uses_before")


def _join():
    op.execute("ALTER TABLE uses RENAME TO uses_parts")
    op.execute("ALTER TABLE uses_parts RENAME CONSTRAINT pk_uses TO pk_uses_parts")
    op.execute("ALTER SEQUENCE uses_id_seq OWNED BY NONE")
    op.execute(
        """
        CREATE TABLE uses (
            id BIGINT NOT NULL DEFAULT nextval('uses_id_seq'),
            key_id BIGINT NOT NULL CONSTRAINT fk_uses_key_id_api_keys REFERENCES api_keys (id),
            at TIMESTAMP WITH TIME ZONE NOT NULL,
            method VARCHAR(10) NOT NULL,
            path VARCHAR(255) NOT NULL,
            status SMALLINT NOT NULL,
            outcome VARCHAR(40) NOT NULL,
            address VARCHAR(45) NOT NULL,
            user_agent VARCHAR(255) NOT NULL,
            CONSTRAINT pk_uses PRIMARY KEY (id)
        )
        """
    )
    op.execute("ALTER SEQUENCE uses_id_seq OWNED BY uses.id")
    op.execute(f"INSERT INTO uses ({_COLUMNS}) SELECT {_COLUMNS} FROM uses_parts")  # noqa: S608
    op.execute("DROP TABLE uses_parts")
