"""The personal data in the database and how long it is kept, for the page /privacy."""

from dataclasses import dataclass

from reflow_accounts.api_keys.usage.clients import KEPT_FOR
from reflow_accounts.auth.login import ABSOLUTE_LIFETIME
from reflow_accounts.auth.sessions import KEPT_AFTER_END
from reflow_accounts.mail.sender import KEPT_WHEN_DONE
from reflow_accounts.teams.invitations import KEPT_WHEN_OVER


@dataclass(frozen=True)
class StoredData:
    """One line of the page. `columns` are the database columns that it describes, as `table.column`."""

    what: str
    kept: str
    columns: frozenset[str]


def _of(what: str, kept: str, **columns: str) -> StoredData:
    named = {f"{table}.{name}" for table, names in columns.items() for name in names.split()}
    return StoredData(what, kept, frozenset(named))


_ACCOUNT = "Until you delete your account"
_LOG = "As long as the operator keeps the log; your account's deletion does not change it"

STORED_DATA = (
    _of(
        "Your name, email address, appearance and time zone, which mails you want, and whether you are support staff",
        _ACCOUNT,
        users="public_id full_name email appearance time_zone is_staff created_at disabled_at deleted_at kind "
        "mails_new_clients mails_refusals mails_ends mails_unused",
    ),
    _of(
        "Your password, only as a fingerprint from which it cannot be computed",
        "Until you change it or delete your account",
        users="password_hash",
    ),
    _of(
        "For two-factor authentication: the secret of your authenticator app, encrypted; fingerprints of your recovery "
        "codes, and when you used one",
        "Until you turn it off or delete your account",
        users="totp_secret totp_on_at totp_step",
        recovery_codes="user_id digest created_at used_at",
    ),
    _of(
        "For each passkey: its name, its public key, and when it was created and used",
        "Until you remove it or delete your account. A challenge for your browser to sign: until it is used, or the "
        "next one is created after it expired",
        passkeys="public_id user_id name credential_id public_key sign_count created_at last_used_at",
        passkey_challenges="user_id value expires_at",
    ),
    _of(
        "Your teams, your rights in each, since when, and which one is selected",
        "Until you leave the team or delete your account",
        memberships="user_id team_id rights created_at",
        team_choices="user_id team_id",
    ),
    _of(
        "Invitations that you got or sent: the invited address, the team, the rights and the times",
        f"{KEPT_WHEN_OVER.days} days after the invitation was accepted or cancelled, or expired",
        invitations="email invited_by_id accepted_by_id rights team_id created_at sent_at expires_at accepted_at "
        "cancelled_at",
    ),
    _of(
        "Each session: the browser or program, its network address, the name of the machine if known, and when it was "
        "used",
        f"{KEPT_AFTER_END.days} days after it ended; a session lasts at most {ABSOLUTE_LIFETIME.days} days",
        user_sessions="public_id user_id kind digest created_at last_active_at proven_at support_active_at expires_at "
        "ended_at address user_agent host",
    ),
    _of(
        "A login of the reflow command that waits for your approval: machine, program, network address and times",
        "A day after its code expired",
        device_logins="user_id host address user_agent created_at expires_at polled_at decided_at is_approved used_at",
    ),
    _of(
        "A link that we mailed to you: its purpose, your address, and what you typed to sign up (the password only as "
        "a fingerprint)",
        "What you typed, until you open the link; the rest, a day after the link expired",
        mail_links="user_id email purpose data created_at expires_at used_at",
    ),
    _of(
        "Each mail to you: its kind, your address and when it was sent; its content only until then",
        f"{KEPT_WHEN_DONE.days} days after it was sent",
        outbox_messages="to kind data created_at done_at failure",
    ),
    _of(
        "For each API key: its name, its last four characters, a fingerprint, and when it was created, ends or was "
        "revoked. Never the key itself",
        "Without end, as part of the record of uses; the key stops working when you delete your account",
        api_keys="public_id user_id name folded_name digest hint nonce created_at "  # pragma: allowlist secret
        "expires_at revoked_at revoked_for replaced_at",
    ),
    _of(
        "For each use of an API key: time, method, path, status, outcome, network address and the program's name. "
        "You see all of it in Activity",
        "As long as the operator keeps the record of uses",
        uses="key_id at method path status outcome address user_agent",
        use_totals="key_id count last_used_at",
    ),
    _of(
        "For each network and each login or key with which you created an API key: a fingerprint, and the first time",
        _ACCOUNT,
        key_origins="user_id digest first_used_at",
    ),
    _of(
        "For each address and program that used an API key: how often, and the first and last time",
        f"{KEPT_FOR.days} days after the last time",
        key_clients="key_id address program network count first_at last_at",
    ),
    _of(
        "For refused requests with an API key: how many, and the latest ones with time, method, path, network address "
        "and program; and which mails about a key you got",
        "Without end, as part of the record of uses",
        key_refusals="key_id code count first_at last_at",
        key_refused_attempts="key_id code at method path address user_agent",
        key_notices="user_id kind key_id subject at",
    ),
    _of(
        "For sign-ins and changes in your account and your teams: what, when, who (with the name at that time), and "
        "from which network address. For a refused sign-in: when, from which address and program, never what was typed",
        _LOG,
        audit_events="actor_id actor_name account_id team_id subject details address at action",
    ),
    _of(
        "For each of these uses and events: a fingerprint in the chain of your account or team, which reveals nothing "
        "but shows later changes to the records",
        "Without end",
        chain_links="chain kind digest previous hash",
    ),
    _of(
        "Who connected a purchase in AWS Marketplace to a team, and the number of the AWS account",
        "As long as the team exists",
        licences="claimed_by_id claimed_at aws_account",
        marketplace_events="detail",
        marketplace_claims="digest created_at expires_at claimed_at",
    ),
    _of(
        "Which member of support changed a team's subscription, with the reason",
        "Without end",
        subscription_overrides="by_id by_name reason ticket",
        subscription_changes="by_id by_name reason ticket",
    ),
    _of(
        "Numbers of attempts to log in and of similar actions, by fingerprints of addresses and by network addresses",
        "Until the limit ends, an hour for most and a day at most",
        limit_counts="key",
    ),
)
