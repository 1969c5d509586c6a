"""Stores with a long backlog, made in a few seconds: as an older program left them, to be migrated."""

# ruff: noqa: S608 - statements are put together from what tests write themselves

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.support.make import T0, event
from watcher.store.sqlite.rows import micros
from watcher.store.sqlite.schema import migrate, migrations

__all__ = ["BEFORE_FRONTS", "make_backlog"]

BEFORE_FRONTS = 10
"""The last schema whose rows can be written without counting and without saying who is first."""

_NUMBERS = """
    WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < :most - 1)"""


class Backlog:
    """A store that is filled in bulk."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = OFF")
        migrate(self._connection, migrations()[:BEFORE_FRONTS])
        self._connection.execute("BEGIN")

    def add(
        self,
        receiver: str,
        most: int,
        conversations: int,
        *,
        body: str = "",
        **columns: str,
    ) -> None:
        """Owe a receiver `most` events, a second apart up to T0, of so many conversations in turn;
        `columns` are SQL expressions for columns of the deliveries, in which `n` counts from 0.
        """
        plain = {**event().to_plain(), "id": "?", "subject": "?"}
        if body:
            plain["data"] = json.loads(body)
        asked = {
            "most": most,
            "receiver": receiver,
            "conversations": conversations,
            "begun": micros(T0) - most * 1_000_000,
            "body": json.dumps(plain),
        }
        self._connection.execute(
            f"""
            {_NUMBERS}
            INSERT INTO events (id, source, type, subject, time, body)
            SELECT :receiver || n, 'sales', 'conversation.updated',
                :receiver || '-' || (n % :conversations), :begun + n * 1000000,
                json_set(:body, '$.id', :receiver || n,
                    '$.subject', :receiver || '-' || (n % :conversations))
            FROM numbers""",
            asked,
        )
        values = {
            "id": "e.id",
            "timer": "NULL",
            "state": "'pending'",
            "attempt": "0",
            "due": "e.time",
            "settled": "NULL",
            "lease": "NULL",
            "kind": "'event'",
            "held": "0",
            "batch": "''",
            "message": "''",
            **columns,
        }
        self._connection.execute(
            f"""
            INSERT INTO deliveries (event, key, source, topic, receiver, rule, created, note,
                {", ".join(values)})
            SELECT event, {values["id"]} || '/' || :receiver, 'sales', 'sales/' || subject, :receiver,
                'Rule', e.time, '', {", ".join(values.values())}
            FROM (
                SELECT id, id AS event, subject, time, CAST(substr(id, :skip) AS INTEGER) AS n
                FROM events WHERE id >= :receiver || '0' AND id < :receiver || ':'
                ORDER BY seq) e""",
            {"receiver": receiver, "skip": len(receiver) + 1},
        )

    def close(self) -> None:
        """Finish the file."""
        self._connection.execute("COMMIT")
        self._connection.close()


def make_backlog(path: Path) -> Backlog:
    """Begin a store at a path; it is an older version's until somebody opens it."""
    return Backlog(path)
