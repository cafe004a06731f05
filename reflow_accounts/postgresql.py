"""PostgreSQL connections with timeouts."""

from typing import Any

import psycopg
from flask import g, has_app_context, has_request_context
from psycopg.pq import TransactionStatus

# Timeout of a statement within a request; commands and background jobs have none.
STATEMENT_TIMEOUT_S = 5.0
# https://www.postgresql.org/docs/current/libpq-connect.html: seconds, and milliseconds for tcp_user_timeout.
# The database URL can override them.
CONNECTION_OPTIONS: dict[str, Any] = {
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 3,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    # Statements that psycopg prepares automatically would fail after a migration of their table.
    "prepare_threshold": None,
}
# Replaces synchronous_commit=off, so that a commit waits for the disk. Other values do so already.
WAIT_FOR_DISK = """
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'
"""


class Connection(psycopg.Connection[Any]):
    """A blocking connection; a statement of a request that times out closes it and raises OperationalError."""

    _is_rolling_back = False

    def wait(self, gen: Any, *options: Any, **named: Any) -> Any:
        # A client waits in a request and in a step of a download. Flask rolls back after the request context has ended.
        if self._is_rolling_back or has_request_context() or (has_app_context() and "has_client" in g):
            named.setdefault("timeout", STATEMENT_TIMEOUT_S)
        try:
            return super().wait(gen, *options, **named)
        except psycopg.OperationalError:
            # psycopg leaves a connection open that still waits for the result of its statement.
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.pgconn.finish()
            raise

    def rollback(self) -> None:
        self._is_rolling_back = True
        try:
            super().rollback()
        except psycopg.OperationalError:
            # The server has rolled back the transaction of a lost connection. An error here, at the end of
            # a request, would replace its response.
            self.close()
        finally:
            self._is_rolling_back = False
