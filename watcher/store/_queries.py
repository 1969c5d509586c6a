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
    d.settled, d.kind, d.number, d.batch, d.message, d.candidates, d.held, d.redirected,
    d.reached, e.body"""
"""The columns that `watcher.store._rows.read_delivery` expects."""

ALL_DELIVERIES = f"""
    SELECT d.lease, d.ended, {DELIVERY}
    FROM deliveries d JOIN events e ON e.id = d.event ORDER BY d.seq"""

_DELIVERY = """(key, id, event, source, topic, receiver, rule, timer, state, attempt, due,
        created, settled, note, kind, number, batch, message, candidates, held, redirected,
        reached)"""
_VALUES = """:key, :id, :event, :source, :topic, :receiver, :rule, :timer, :state, :attempt, :due,
        :created, :settled, :note, :kind, :number, :batch, :message, :candidates, :held,
        :redirected, :reached"""

ADD_DELIVERY = f"""
    INSERT INTO deliveries {_DELIVERY}
    SELECT {_VALUES}
    WHERE NOT EXISTS (
        SELECT 1 FROM deliveries
        WHERE topic = :topic AND timer = :timer AND receiver = :receiver
            AND timer IS NOT NULL AND ended = 0)
    ON CONFLICT (key) DO NOTHING"""
FOLLOW = f"""
    INSERT INTO deliveries {_DELIVERY}
    SELECT {_VALUES}
    WHERE EXISTS (SELECT 1 FROM deliveries WHERE key = :before AND ended = 0)
    ON CONFLICT (key) DO NOTHING"""

_ENDING = "timer IS NOT NULL AND ended = 0"
_OF_END = f"{_ENDING} AND topic = :topic AND (:rule IS NULL OR timer = :rule)"
_OF_SOURCE = f"{_ENDING} AND source = :source"
_OF_CONVERSATION = f"""{_ENDING} AND topic <> source
        AND substr(topic, length(source) + 2) = :conversation
        AND (:source IS NULL OR source = :source)"""


def _finish(which: str) -> tuple[str, str]:
    """Give the statements that tell of the timers' end (how many were cancelled) and that make it."""
    return (
        f"""
    INSERT INTO history (delivery, at, kind, attempt, note, excerpt)
    SELECT key, :at, 'cancelled', 0, :note, '' FROM deliveries
    WHERE state = 'pending' AND {which} ORDER BY seq""",
        f"""
    UPDATE deliveries
    SET ended = 1, lease = NULL,
        note = CASE WHEN state = 'pending' THEN :note ELSE note END,
        settled = CASE WHEN state = 'pending' THEN :at ELSE settled END,
        state = CASE WHEN state = 'pending' THEN 'cancelled' ELSE state END
    WHERE {which}""",
    )


END_TIMERS = _finish(_OF_END)
FORGET_TIMERS = _finish(_OF_SOURCE)
ACKNOWLEDGE = _finish(_OF_CONVERSATION)

# The same as `watcher.store._outbox.eligible`.
ELIGIBLE = f"""
    SELECT d.seq, {DELIVERY}
    FROM deliveries d JOIN events e ON e.id = d.event
    WHERE d.receiver = :receiver AND d.state = 'pending' AND d.due <= :now
        AND (d.lease IS NULL OR d.lease <= :now) AND d.kind <> 'digest'
        AND (d.kind <> 'event' OR d.held = 1 OR NOT EXISTS (
            SELECT 1 FROM deliveries o
            WHERE o.receiver = d.receiver AND o.topic = d.topic AND o.seq <> d.seq
                AND o.state = 'pending' AND o.kind = 'event' AND o.held = 0
                AND (o.lease > :now
                     OR (o.seq < d.seq AND (
                         (o.due <= :now AND NOT :together)
                         OR (o.due > :now AND o.attempt < :failed_often))))))
    ORDER BY CASE WHEN :together THEN d.seq ELSE d.due END, d.seq
    LIMIT :limit"""
CLAIM = "UPDATE deliveries SET attempt = attempt + 1, lease = ? WHERE seq = ?"

# The same as `watcher.store._outbox.collected`.
COLLECTED = f"""
    SELECT d.seq, {DELIVERY}
    FROM deliveries d JOIN events e ON e.id = d.event,
        (SELECT batch, message FROM deliveries
         WHERE receiver = :receiver AND state = 'pending' AND kind = 'digest' AND due <= :now
             AND (lease IS NULL OR lease <= :now)
         ORDER BY due, seq LIMIT 1) f
    WHERE d.receiver = :receiver AND d.state = 'pending' AND d.kind = 'digest'
        AND d.batch = f.batch AND d.message = f.message
        AND d.due <= :now AND (d.lease IS NULL OR d.lease <= :now)
    ORDER BY d.seq
    LIMIT :limit"""
COMPOSE = "UPDATE deliveries SET attempt = attempt + 1, lease = ?, message = ? WHERE seq = ?"

FENCE = "SELECT 1 FROM deliveries WHERE key = :key AND attempt = :attempt"
SETTLE = """
    UPDATE deliveries
    SET state = :state, due = :due, note = :note, settled = :settled, lease = NULL,
        attempt = attempt - :untried,
        rule = CASE WHEN :rule = '' THEN rule ELSE :rule END,
        message = CASE WHEN :message <> '' THEN :message
                       WHEN attempt = :untried THEN '' ELSE message END,
        batch = CASE WHEN :batch = '' THEN batch ELSE :batch END,
        held = CASE WHEN :held = 1 THEN 1 ELSE held END,
        reached = CASE WHEN :reached = '[]' THEN reached ELSE :reached END
    WHERE key = :key AND attempt = :attempt AND (state = 'pending' OR :state = 'delivered')"""
UNCLAIM = """
UPDATE deliveries SET lease = NULL
WHERE lease IS NOT NULL AND (:receiver IS NULL OR receiver = :receiver)
"""
RENEW = """
    UPDATE deliveries SET lease = :until
    WHERE receiver = :receiver AND state = 'pending' AND lease IS NOT NULL"""

SHIFT = """
    UPDATE deliveries
    SET due = CASE WHEN due > :after THEN due + :by ELSE due END,
        lease = CASE WHEN lease > :after THEN lease + :by ELSE lease END
    WHERE state = 'pending' AND (due > :after OR lease > :after)"""

NO_TIME = -(2**62)
"""Earlier than every time in microseconds."""

NEXT_DUE = "SELECT min(due) FROM deliveries WHERE receiver = ? AND state = 'pending' AND due > ?"
SENT_SINCE = """
    SELECT settled FROM (
        SELECT DISTINCT settled, CASE WHEN message = '' THEN key ELSE message END FROM deliveries
        WHERE receiver = ? AND state = 'delivered' AND settled >= ?)
    ORDER BY settled"""
PENDING = "SELECT receiver, count(*) FROM deliveries WHERE state = 'pending' GROUP BY receiver"

_NAMED = """(id IN (SELECT value FROM json_each(:ids))
        OR key IN (SELECT value FROM json_each(:ids))
        OR message IN (SELECT value FROM json_each(:ids)))"""
_AGAIN = """(state = 'dead' OR :ids IS NOT NULL AND state = 'pending' AND attempt > 0
        AND due > :now AND (lease IS NULL OR lease <= :now))"""
_MEANT = f"""{_AGAIN} AND (:ids IS NULL OR {_NAMED} OR message IN (
        SELECT message FROM deliveries WHERE {_AGAIN} AND message <> '' AND {_NAMED}))"""
TELL_RETRY = f"""
    INSERT INTO history (delivery, at, kind, attempt, note, excerpt)
    SELECT key, :now, 'retried', 0, :note, '' FROM deliveries WHERE {_MEANT} ORDER BY seq"""
# Chosen as a whole first: a row that is pending again no longer names the rest of its digest.
RETRY = f"""
    UPDATE deliveries
    SET state = 'pending', due = :now, attempt = iif(state = 'dead', 0, attempt), settled = NULL,
        lease = NULL
    WHERE seq IN (SELECT seq FROM deliveries WHERE {_MEANT})"""

_RECEIVER_GONE = "receiver NOT IN (SELECT value FROM json_each(:receivers))"
_TIMER_GONE = "timer NOT IN (SELECT value FROM json_each(:rules))"
_SOURCE_GONE = "timer IS NOT NULL AND source NOT IN (SELECT value FROM json_each(:sources))"
_RULE_GONE = f"""(timer IS NOT NULL AND {_TIMER_GONE}
        OR kind = 'digest' AND rule NOT IN (SELECT value FROM json_each(:rules)))"""


def _bury(state: str, which: str) -> tuple[str, str]:
    """Give the statements that tell what is given up and that give it up."""
    return (
        f"""
    INSERT INTO history (delivery, at, kind, attempt, note, excerpt)
    SELECT key, :now, 'buried', 0, :note, '' FROM deliveries
    WHERE state = 'pending' AND {which} ORDER BY seq""",
        f"""
    UPDATE deliveries SET state = '{state}', note = :note, settled = :now, lease = NULL
    WHERE state = 'pending' AND {which}""",
    )


BURY = _bury("dead", _RECEIVER_GONE)
CANCEL_RULES = _bury("cancelled", _RULE_GONE)
CANCEL_SOURCES = _bury("cancelled", _SOURCE_GONE)
END_GONE_TIMERS = f"""
    UPDATE deliveries SET ended = 1
    WHERE timer IS NOT NULL AND ended = 0
        AND ({_RECEIVER_GONE} OR {_TIMER_GONE} OR {_SOURCE_GONE})"""

# Pruning and reading

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
            ("(d.id = ? OR d.message = ?)", None if query.id is None else [query.id, query.id]),
            ("e.subject = ?", query.conversation),
            ("d.rule = ?", query.rule),
            (r"e.type LIKE ? ESCAPE '\'", None if query.type is None else _rows.like(query.type)),
            ("d.created >= ?", _rows.maybe_micros(query.since)),
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
    values = [one for _, value in asked for one in (value if isinstance(value, list) else [value])]
    return f"SELECT * FROM ({newest}) ORDER BY 1", [*values, max(limit, 0)]
