"""The wire to PostgreSQL: statements prepared once, and requests that share a commit."""

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime

import psycopg
from psycopg import pq

from reflow_accounts.api_keys.wire.asked import APPEND, LOOK_UP, SORRY, Asked, Found, Row, UseFacts
from reflow_accounts.errors import Unavailable
from reflow_accounts.extensions import WAIT_FOR_DISK

# What `is_good` says of a key, in the database's words; {0} is the moment of the request.
_GOOD = """revoked_at IS NULL AND disabled_at IS NULL AND state = 'active'
      AND (expires_at IS NULL OR expires_at > {0})"""
# On PostgreSQL a round trip costs more than the work: the lookup and the append travel together. The key is
# good when the database says so in the same moment.
_ADMIT = f"""
WITH found AS MATERIALIZED ({LOOK_UP.format("$1", "$2")}),
good AS (
    SELECT DISTINCT key_id FROM found
    WHERE {_GOOD.format("$2")}
),
added AS (
    INSERT INTO uses (key_id, at, method, path, status, outcome, address, user_agent)
    SELECT key_id, $3, $4, $5, $6, $7, $8, $9 FROM good
    RETURNING id
)
SELECT found.*, (SELECT id FROM added) FROM found
"""  # noqa: S608  # made of constants
# The same for several requests, whose commit waits for the disk once. $1 is a JSON list of them: a digest in
# hex, and a use. The numbers of the uses come in the order of the requests that are good.
_ADMIT_ALL = f"""
WITH asked AS MATERIALIZED (
    SELECT * FROM json_to_recordset($1) AS one (
        n int, digest text, at timestamptz, method text, path text, status int, outcome text, address text,
        user_agent text
    )
),
found AS MATERIALIZED (
    SELECT asked.n, asked.at, known.*
    FROM asked CROSS JOIN LATERAL ({LOOK_UP.format("decode(asked.digest, 'hex')", "asked.at")}) known
),
good AS MATERIALIZED (
    SELECT DISTINCT n, key_id FROM found
    WHERE {_GOOD.format("at")}
),
added AS (
    INSERT INTO uses (key_id, at, method, path, status, outcome, address, user_agent)
    SELECT key_id, at, method, path, status, outcome, address, user_agent
    FROM good JOIN asked USING (n) ORDER BY n
    RETURNING id
)
SELECT found.*, n IN (SELECT n FROM good), (SELECT string_agg(id::text, ' ' ORDER BY id) FROM added) FROM found
"""  # noqa: S608  # made of constants
# A handful of digests is looked up by the index, whatever the planner believes of a list and of the tables.
_SETTINGS = f"""
SET TIME ZONE 'UTC'; SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
{WAIT_FOR_DISK}
"""
_PREPARED = {
    b"look_up": LOOK_UP.format("$1", "$2"),
    b"append": APPEND.format("$1, $2, $3, $4, $5, $6, $7, $8") + " RETURNING id",
    b"admit": _ADMIT,
    b"admit_all": _ADMIT_ALL,
}
_STALE_PLAN = b"0A000"
# A digest travels as its bytes (1), everything else as text (0).
_FORMATS = {b"look_up": [1, 0], b"append": [0] * 8, b"admit": [1] + [0] * 8, b"admit_all": [0]}


class PostgresWire:
    """PostgreSQL: every append is a transaction; the server groups the commits of several connections.

    It speaks to libpq itself, with statements prepared once: a cursor would cost more than the request.
    There are as many connections as requests are answered at once, whichever threads they have. What is
    admitted together is one transaction: one commit waits for the disk instead of many.
    """

    goes_together = True

    def __init__(self, address: str) -> None:
        """Take the address as libpq reads it (postgresql://…)."""
        self._address = address
        # Taken from its end and put back there; both are one step for Python.
        self._idle: list[psycopg.Connection] = []

    def look_up(self, digest: bytes, at: datetime) -> list[Row]:
        # A connection that died since its last request says so only now. Reading twice is harmless.
        try:
            return self._ask(b"look_up", [digest, *_texts([at])])
        except Unavailable:
            return self._ask(b"look_up", [digest, *_texts([at])])

    def append(self, use: UseFacts) -> int:
        rows = self._ask(b"append", _texts(use))
        return int(rows[0][0])

    def admit(self, asked: Sequence[Asked]) -> list[Found]:
        if len(asked) > 1:
            return _sorted_out(self._ask(b"admit_all", [_listed(asked)]), len(asked))
        digest, use = asked[0]
        at, *facts = _texts(use[1:])
        rows = self._ask(b"admit", [digest, at, at, *facts])
        return [(rows, int(rows[0][-1]) if rows and rows[0][-1] else None)]

    def _ask(self, statement: bytes, values: list[bytes]) -> list[Row]:
        try:
            result = self._run(statement, values)
            if result.error_field(pq.DiagnosticField.SQLSTATE) == _STALE_PLAN:
                # A migration changed a table: the statement was refused, and is prepared anew.
                self.close()
                result = self._run(statement, values)
            if result.status != pq.ExecStatus.TUPLES_OK:
                raise psycopg.OperationalError(result.error_message.decode("utf-8", "replace"))
        except psycopg.Error as error:
            self.close()
            raise Unavailable(SORRY) from error
        return [
            tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
            for row in range(result.ntuples)
        ]

    def _run(self, statement: bytes, values: list[bytes]) -> pq.abc.PGresult:
        connection = self._take()
        try:
            return connection.pgconn.exec_prepared(statement, values, _FORMATS[statement])
        finally:
            self._idle.append(connection)

    def _take(self) -> psycopg.Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._connect()

    def _connect(self) -> psycopg.Connection:
        made = psycopg.connect(self._address, autocommit=True, connect_timeout=5)
        made.execute(_SETTINGS)
        for name, statement in _PREPARED.items():
            made.pgconn.prepare(name, statement.encode())
        return made

    def close(self) -> None:
        # When one connection died, or knows an old plan, the others are likely to.
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def __del__(self) -> None:
        self.close()


def _texts(values: Iterable[object]) -> list[bytes]:
    return [str(value).encode() for value in values]


def _listed(asked: Sequence[Asked]) -> bytes:
    """Write requests as `_ADMIT_ALL` reads them."""
    listed = [
        use._asdict() | {"n": n, "digest": digest.hex(), "at": str(use.at)}
        for n, (digest, use) in enumerate(asked)
    ]
    return json.dumps(listed).encode()


def _sorted_out(rows: list[Row], count: int) -> list[Found]:
    """Give each of `count` requests its rows and the number of its use, from the rows of all."""
    found: list[list[Row]] = [[] for _ in range(count)]
    good = set()
    for n, _, *row, is_admitted, _ in rows:
        found[int(n)].append(tuple(row))
        if is_admitted == "t":
            good.add(int(n))
    numbers = iter(rows[0][-1].split() if good else ())
    return [(some, int(next(numbers)) if n in good else None) for n, some in enumerate(found)]


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
