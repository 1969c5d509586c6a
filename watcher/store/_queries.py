"""Every statement that the SQLite store runs, by name; the schema is in `sql/`.

Law: text only. Where SQLite's words differ from PostgreSQL's, the portable ones are used
(`ON CONFLICT`, `LIKE … ESCAPE`); what has no portable form is `json_each` for lists.
"""

# ruff: noqa: S608 - statements are put together from the constants of this file, never from values

from __future__ import annotations

from typing import Any

from watcher.records import DeliveryQuery, EventQuery
from watcher.store import _rows

# Sources and receivers

SOURCE = "SELECT document FROM sources WHERE name = ?"
SOURCES = "SELECT document FROM sources ORDER BY name"
SAVE_SOURCE = """
    INSERT INTO sources (name, document) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET document = excluded.document"""

RECEIVERS = "SELECT document FROM receivers ORDER BY name"
SAVE_RECEIVER = """
    INSERT INTO receivers (name, document) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET document = excluded.document"""

# Snapshots

SNAPSHOT = "revision, present, observed, message_id, seen, counts, conversation"
"""The columns that `watcher.store._rows.read_snapshot` expects."""

KNOWN = f"""
    SELECT {SNAPSHOT} FROM snapshots
    WHERE source = ? AND id IN (SELECT value FROM json_each(?))"""
ALL_SNAPSHOTS = f"SELECT source, {SNAPSHOT} FROM snapshots"
PRESENT = "SELECT id FROM snapshots WHERE source = ? AND present = 1"
MEMBERS = {
    "unread": PRESENT + " AND unread = 1",
    "unassigned": PRESENT + " AND unassigned = 1",
}

FORGET_SNAPSHOTS = "DELETE FROM snapshots WHERE source = ?"
SEEN = "SELECT DISTINCT seen FROM snapshots WHERE source = ?"
UNSEE = "UPDATE snapshots SET seen = :after WHERE source = :source AND seen = :before"

ADD_SNAPSHOT = """
    INSERT INTO snapshots (source, id, revision, present, unread, unassigned, observed,
                           message_id, seen, counts, conversation)
    VALUES (:source, :id, :revision, :present, :unread, :unassigned, :observed,
            :message_id, :seen, :counts, :conversation)
    ON CONFLICT (source, id) DO NOTHING"""
CHANGE_SNAPSHOT = """
    UPDATE snapshots
    SET revision = :revision, present = :present, unread = :unread, unassigned = :unassigned,
        observed = :observed, message_id = :message_id, seen = :seen, counts = :counts,
        conversation = :conversation
    WHERE source = :source AND id = :id AND revision = :revision - 1"""

# The log

ADD_EVENT = """
    INSERT INTO events (id, source, type, subject, time, body)
    VALUES (:id, :source, :type, :subject, :time, :body)
    ON CONFLICT (id) DO NOTHING
    RETURNING seq"""
ALL_EVENTS = "SELECT seq, body FROM events ORDER BY seq"
PRUNE_EVENTS = """
    DELETE FROM events
    WHERE time < :before AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = events.id)"""

# The outbox

DELIVERY = """d.id, d.receiver, d.rule, d.due, d.created, d.attempt, d.state, d.timer, d.note,
    d.settled, e.body"""
"""The columns that `watcher.store._rows.read_delivery` expects."""

ALL_DELIVERIES = f"""
    SELECT d.lease, d.ended, {DELIVERY}
    FROM deliveries d JOIN events e ON e.id = d.event ORDER BY d.seq"""

ADD_DELIVERY = """
    INSERT INTO deliveries (key, id, event, source, topic, receiver, rule, timer, state, attempt,
                            due, created, settled, note)
    SELECT :key, :id, :event, :source, :topic, :receiver, :rule, :timer, :state, :attempt,
           :due, :created, :settled, :note
    WHERE NOT EXISTS (
        SELECT 1 FROM deliveries
        WHERE topic = :topic AND timer = :timer AND receiver = :receiver
            AND timer IS NOT NULL AND ended = 0)
    ON CONFLICT (key) DO NOTHING"""

_FINISH = """
    UPDATE deliveries
    SET ended = 1, lease = NULL,
        note = CASE WHEN state = 'pending' THEN :note ELSE note END,
        settled = CASE WHEN state = 'pending' THEN :at ELSE settled END,
        state = CASE WHEN state = 'pending' THEN 'cancelled' ELSE state END
    WHERE timer IS NOT NULL AND ended = 0"""
END_TIMERS = _FINISH + " AND topic = :topic AND (:rule IS NULL OR timer = :rule)"
FORGET_TIMERS = _FINISH + " AND source = :source"

# The same as `watcher.store._outbox.eligible`.
ELIGIBLE = f"""
    SELECT d.seq, {DELIVERY}
    FROM deliveries d JOIN events e ON e.id = d.event
    WHERE d.receiver = :receiver AND d.state = 'pending' AND d.due <= :now
        AND (d.lease IS NULL OR d.lease <= :now)
        AND (d.timer IS NOT NULL OR NOT EXISTS (
            SELECT 1 FROM deliveries o
            WHERE o.receiver = d.receiver AND o.topic = d.topic AND o.seq <> d.seq
                AND o.state = 'pending' AND o.timer IS NULL
                AND (o.lease > :now
                     OR (o.seq < d.seq AND (
                         (o.due <= :now AND NOT :together)
                         OR (o.due > :now AND o.attempt < :patience))))))
    ORDER BY CASE WHEN :together THEN d.seq ELSE d.due END, d.seq
    LIMIT :limit"""
CLAIM = "UPDATE deliveries SET attempt = attempt + 1, lease = ? WHERE seq = ?"

SETTLE = """
    UPDATE deliveries
    SET state = :state, due = :due, note = :note, settled = :settled, lease = NULL,
        attempt = attempt - :untried
    WHERE key = :key AND attempt = :attempt AND (state = 'pending' OR :state = 'delivered')"""
UNCLAIM = "UPDATE deliveries SET lease = NULL WHERE lease IS NOT NULL"

NO_TIME = -(2**62)
"""Earlier than every time in microseconds."""

NEXT_DUE = "SELECT min(due) FROM deliveries WHERE receiver = ? AND state = 'pending' AND due > ?"
SENT_SINCE = """
    SELECT DISTINCT settled FROM deliveries
    WHERE receiver = ? AND state = 'delivered' AND settled >= ? ORDER BY settled"""
PENDING = "SELECT receiver, count(*) FROM deliveries WHERE state = 'pending' GROUP BY receiver"

RETRY_ALL = """
    UPDATE deliveries
    SET state = 'pending', due = :now, attempt = 0, settled = NULL, lease = NULL
    WHERE state = 'dead'"""
RETRY = (
    RETRY_ALL
    + " AND (id IN (SELECT value FROM json_each(:ids))"
    + " OR id || '/' || receiver IN (SELECT value FROM json_each(:ids)))"
)

_RECEIVER_GONE = "receiver NOT IN (SELECT value FROM json_each(:receivers))"
_RULE_GONE = "timer NOT IN (SELECT value FROM json_each(:rules))"
_SOURCE_GONE = "source NOT IN (SELECT value FROM json_each(:sources))"
BURY = f"""
    UPDATE deliveries SET state = 'dead', note = :note, settled = :now, lease = NULL
    WHERE state = 'pending' AND {_RECEIVER_GONE}"""
CANCEL_TIMERS = f"""
    UPDATE deliveries SET state = 'cancelled', settled = :now, lease = NULL,
        note = CASE WHEN {_RULE_GONE} THEN :rule_gone ELSE :source_gone END
    WHERE state = 'pending' AND timer IS NOT NULL AND ({_RULE_GONE} OR {_SOURCE_GONE})"""
END_GONE_TIMERS = f"""
    UPDATE deliveries SET ended = 1
    WHERE timer IS NOT NULL AND ended = 0
        AND ({_RECEIVER_GONE} OR {_RULE_GONE} OR {_SOURCE_GONE})"""

PRUNE_DELIVERIES = """
    DELETE FROM deliveries
    WHERE state <> 'pending' AND (timer IS NULL OR ended = 1)
        AND coalesce(settled, created) < :before"""


def events(query: EventQuery) -> tuple[str, list[Any]]:
    """Give the statement for a query of the log, and its parameters."""
    return _newest(
        "SELECT seq, body FROM events",
        "seq",
        [
            ("seq > ?", query.after),
            ("time >= ?", _rows.maybe_micros(query.since)),
            (r"type LIKE ? ESCAPE '\'", None if query.type is None else _rows.like(query.type)),
            ("source = ?", query.source),
            ("subject = ?", query.conversation),
            ("id = ?", query.id),
        ],
        query.limit,
    )


def deliveries(query: DeliveryQuery) -> tuple[str, list[Any]]:
    """Give the statement for a query of the outbox, and its parameters."""
    return _newest(
        f"SELECT d.seq, {DELIVERY} FROM deliveries d JOIN events e ON e.id = d.event",
        "d.seq",
        [
            ("d.state = ?", query.state),
            ("d.receiver = ?", query.receiver),
            ("d.event = ?", query.event),
            ("d.id = ?", query.id),
        ],
        query.limit,
    )


def _newest(
    select: str, order: str, conditions: list[tuple[str, Any]], limit: int
) -> tuple[str, list[Any]]:
    """Select the newest rows that meet every condition that is asked for, oldest first."""
    asked = [(condition, value) for condition, value in conditions if value is not None]
    where = " WHERE " + " AND ".join(condition for condition, _ in asked) if asked else ""
    newest = f"{select}{where} ORDER BY {order} DESC LIMIT ?"
    return f"SELECT * FROM ({newest}) ORDER BY 1", [*(value for _, value in asked), max(limit, 0)]
