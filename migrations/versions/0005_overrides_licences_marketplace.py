"""overrides, licences, AWS Marketplace."""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

from reflow_accounts.database import UTCDateTime, now

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade():
    op.create_table(
        "marketplace_agreements",
        sa.Column("agreement_id", sa.String(length=64), nullable=False),
        sa.Column("initial_id", sa.String(length=64), nullable=True),
        sa.Column("previous_id", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=30), nullable=False),
        sa.Column("starts_at", UTCDateTime(), nullable=True),
        sa.Column("ends_at", UTCDateTime(), nullable=True),
        sa.Column("advisory", sa.String(length=500), nullable=False),
        sa.Column("checked_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("agreement_id", name=op.f("pk_marketplace_agreements")),
    )
    with op.batch_alter_table("marketplace_agreements", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_marketplace_agreements_initial_id"), ["initial_id"], unique=False
        )

    op.create_table(
        "marketplace_events",
        sa.Column("event_id", sa.String(length=128), nullable=False),
        sa.Column("kind", sa.String(length=80), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("received_at", UTCDateTime(), nullable=False),
        sa.Column("licence_key", sa.String(length=64), nullable=True),
        sa.Column("agreement_id", sa.String(length=64), nullable=True),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_marketplace_events")),
    )
    with op.batch_alter_table("marketplace_events", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_marketplace_events_agreement_id"), ["agreement_id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_marketplace_events_licence_key"), ["licence_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_marketplace_events_received_at"), ["received_at"], unique=False)

    op.create_table(
        "licences",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("product_code", sa.String(length=64), nullable=False),
        sa.Column("agreement_id", sa.String(length=64), nullable=True),
        sa.Column("aws_account", sa.String(length=12), nullable=False),
        sa.Column("is_trial", sa.Boolean(), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=True),
        sa.Column("claimed_at", UTCDateTime(), nullable=True),
        sa.Column("claimed_by_id", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("since_at", UTCDateTime(), nullable=False),
        sa.Column("ends_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["claimed_by_id"], ["users.id"], name=op.f("fk_licences_claimed_by_id_users")
        ),
        sa.ForeignKeyConstraint(["team_id"], ["teams.id"], name=op.f("fk_licences_team_id_teams")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_licences")),
        sa.UniqueConstraint("key", name=op.f("uq_licences_key")),
        sa.UniqueConstraint("public_id", name=op.f("uq_licences_public_id")),
    )
    with op.batch_alter_table("licences", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_licences_agreement_id"), ["agreement_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_licences_aws_account"), ["aws_account"], unique=False)
        batch_op.create_index(batch_op.f("ix_licences_team_id"), ["team_id"], unique=False)

    op.create_table(
        "subscription_overrides",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("team_id", sa.BigInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=True),
        sa.Column("ended_at", UTCDateTime(), nullable=True),
        sa.Column("by_id", sa.BigInteger(), nullable=True),
        sa.Column("by_name", sa.String(length=120), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("ticket", sa.String(length=80), nullable=False),
        sa.CheckConstraint(
            "NOT is_active OR expires_at IS NOT NULL", name=op.f("ck_subscription_overrides_force_on_ends")
        ),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_subscription_overrides_by_id_users")),
        sa.ForeignKeyConstraint(
            ["team_id"], ["teams.id"], name=op.f("fk_subscription_overrides_team_id_teams")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscription_overrides")),
    )
    with op.batch_alter_table("subscription_overrides", schema=None) as batch_op:
        batch_op.create_index(
            "uq_subscription_overrides_live",
            ["team_id"],
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.create_table(
        "marketplace_claims",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("licence_id", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("expires_at", UTCDateTime(), nullable=False),
        sa.Column("claimed_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["licence_id"], ["licences.id"], name=op.f("fk_marketplace_claims_licence_id_licences")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_marketplace_claims")),
        sa.UniqueConstraint("digest", name=op.f("uq_marketplace_claims_digest")),
    )
    with op.batch_alter_table("marketplace_claims", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_marketplace_claims_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_marketplace_claims_licence_id"), ["licence_id"], unique=False)

    with op.batch_alter_table("subscription_changes", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(length=10), server_default="switched", nullable=False)
        )
        batch_op.add_column(sa.Column("until", UTCDateTime(), nullable=True))
        batch_op.add_column(sa.Column("ticket", sa.String(length=80), nullable=True))
    _carry_over()


def _carry_over():
    """Give what was active until now an override: 30 days for support to see what AWS says of each team."""
    active = sa.table("subscriptions", sa.column("team_id"), sa.column("state"))
    overrides = sa.table(
        "subscription_overrides",
        *map(sa.column, ("team_id", "is_active")),
        sa.column("at", UTCDateTime()),
        sa.column("expires_at", UTCDateTime()),
        *map(sa.column, ("by_name", "reason", "ticket")),
    )
    at = now()
    chosen = sa.select(
        active.c.team_id,
        sa.true(),
        sa.literal(at, UTCDateTime()),
        sa.literal(at + timedelta(days=30), UTCDateTime()),
        sa.literal("Operator"),
        sa.literal("Active before overrides had an end"),
        sa.literal(""),
    ).where(active.c.state == "active")
    names = ["team_id", "is_active", "at", "expires_at", "by_name", "reason", "ticket"]
    op.execute(overrides.insert().from_select(names, chosen))


def downgrade():
    with op.batch_alter_table("subscription_changes", schema=None) as batch_op:
        batch_op.drop_column("ticket")
        batch_op.drop_column("until")
        batch_op.drop_column("kind")

    with op.batch_alter_table("marketplace_claims", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_marketplace_claims_licence_id"))
        batch_op.drop_index(batch_op.f("ix_marketplace_claims_expires_at"))

    op.drop_table("marketplace_claims")
    with op.batch_alter_table("subscription_overrides", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_subscription_overrides_live",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        )

    op.drop_table("subscription_overrides")
    with op.batch_alter_table("licences", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_licences_team_id"))
        batch_op.drop_index(batch_op.f("ix_licences_aws_account"))
        batch_op.drop_index(batch_op.f("ix_licences_agreement_id"))

    op.drop_table("licences")
    with op.batch_alter_table("marketplace_events", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_marketplace_events_received_at"))
        batch_op.drop_index(batch_op.f("ix_marketplace_events_licence_key"))
        batch_op.drop_index(batch_op.f("ix_marketplace_events_agreement_id"))

    op.drop_table("marketplace_events")
    with op.batch_alter_table("marketplace_agreements", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_marketplace_agreements_initial_id"))

    op.drop_table("marketplace_agreements")
