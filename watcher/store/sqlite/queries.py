"""Every statement that the SQLite store runs, by name; the schema is in `sql/`.

Rules: text and parameters only. A statement chooses rows or writes them; what a row becomes is decided by
`watcher.store.outbox`. Where SQLite's words differ from PostgreSQL's, the portable ones are used
(`ON CONFLICT`, `LIKE … ESCAPE`); `json_each` for lists has no portable form.
"""

# ruff: noqa: S608 - statements are put together from the constants of this file, never from values

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from watcher.records import (
    OVER,
    ConversationPlace,
    ConversationQuery,
    DeliveryQuery,
    EventQuery,
    asked_words,
)
from watcher.store.sqlite import rows

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

_SNAPSHOT = (
    "revision", "present", "observed", "message_id",
    "coalesce((SELECT fields FROM shown WHERE number = seen), seen)", "counts", "conversation",
    "evidence", "doubt", "prints",
)  # fmt: skip
SNAPSHOT = ", ".join(_SNAPSHOT)
"""The columns that `rows.read_snapshot` expects."""
SNAPSHOT_COLUMNS = len(_SNAPSHOT)

KNOWN = f"""
    SELECT {SNAPSHOT} FROM snapshots
    WHERE source = ? AND id IN (SELECT value FROM json_each(?))"""
PRESENT_IDS = "SELECT id FROM snapshots WHERE source = ? AND present = 1"
DOUBTS = "SELECT id, doubt FROM snapshots WHERE source = ? AND present = 1 AND doubt IS NOT NULL"
IDS_IN_SET = {
    "unread": PRESENT_IDS + " AND unread = 1",
    "unassigned": PRESENT_IDS + " AND unassigned = 1",
}

SIZE = "SELECT bytes FROM sizes WHERE source = ?"
# What is added is counted once for a page; what changes or goes, by triggers.
GROW = """
    INSERT INTO sizes (source, bytes) VALUES (?, ?)
    ON CONFLICT (source) DO UPDATE SET bytes = sizes.bytes + excluded.bytes"""
FORGET_SNAPSHOTS = """
    DELETE FROM snapshots
    WHERE rowid IN (SELECT rowid FROM snapshots WHERE source = ? LIMIT 10000)"""
# What rows have shown is a handful of lists, which stand once.
SHOW = "INSERT INTO shown (fields) VALUES (?) ON CONFLICT DO NOTHING"
SEEN = """
    SELECT fields FROM shown
    WHERE number IN (SELECT CAST(seen AS INTEGER) FROM snapshots WHERE source = ? AND seen <> '[]')"""
_NUMBER = "coalesce((SELECT number FROM shown WHERE fields = {0}), {0})"
FORGET_FIELDS = f"""
    UPDATE snapshots SET seen = {_NUMBER.format(":after")}
    WHERE source = :source AND seen = (SELECT number FROM shown WHERE fields = :before)"""

ADD_SNAPSHOT = f"""
    INSERT INTO snapshots (source, id, revision, present, unread, unassigned, observed,
                           message_id, seen, counts, conversation, size, evidence, doubt, prints,
                           words, waiting)
    VALUES (:source, :id, :revision, :present, :unread, :unassigned, :observed,
            :message_id, {_NUMBER.format(":seen")}, :counts, :conversation, :size, :evidence, :doubt, :prints,
            :words, :waiting)
    ON CONFLICT (source, id) DO NOTHING"""
CHANGE_SNAPSHOT = f"""
    UPDATE snapshots
    SET revision = :revision, present = :present, unread = :unread, unassigned = :unassigned,
        observed = :observed, message_id = :message_id, seen = {_NUMBER.format(":seen")},
        counts = :counts, conversation = :conversation, size = :size, evidence = :evidence,
        doubt = :doubt, prints = :prints, words = :words, waiting = :waiting
    WHERE source = :source AND id = :id AND revision = :revision - 1"""

# Of conversations that have been gone for long, as `pipeline.forgetting.nothing_but_numbers` says.
BARE = """
    UPDATE snapshots
    SET conversation = :conversation, size = :size, message_id = NULL, seen = '[]', evidence = NULL,
        doubt = NULL, prints = NULL, words = NULL, waiting = NULL
    WHERE source = :source AND id = :id"""
LONG_GONE = f"""
    SELECT source, {SNAPSHOT} FROM snapshots
    WHERE present = 0 AND seen <> '[]' AND observed < ? LIMIT ?"""

# What is known of the store itself

INSTALLATION = "SELECT value FROM installation WHERE name = ?"
ADD_INSTALLATION = "INSERT INTO installation (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING"
DROP_INSTALLATION = "DELETE FROM installation WHERE name = ?"

# Texts that are no longer kept, a part at a time: from the row after a place

WORDS_OF_SNAPSHOTS = """
    SELECT rowid, source, conversation, prints FROM snapshots WHERE rowid > ? ORDER BY rowid LIMIT ?"""
SAVE_WORDS_OF_SNAPSHOT = """
    UPDATE snapshots SET conversation = ?, size = ?, prints = ? WHERE rowid = ?"""
WORDS_OF_EVENTS = """
    SELECT seq, source, body, verdicts FROM events WHERE seq > ? ORDER BY seq LIMIT ?"""
SAVE_WORDS_OF_EVENT = "UPDATE events SET body = ?, verdicts = ? WHERE seq = ?"
WORDS_OF_DELIVERIES = """
    SELECT seq, source, ending FROM deliveries WHERE seq > ? ORDER BY seq LIMIT ?"""
SAVE_WORDS_OF_DELIVERY = "UPDATE deliveries SET ending = ? WHERE seq = ?"
WORDS_OF_HISTORY = "SELECT seq, excerpt FROM history WHERE seq > ? ORDER BY seq LIMIT ?"
SAVE_WORDS_OF_HISTORY = "UPDATE history SET excerpt = '' WHERE seq = ?"

# The log

ADD_EVENT = """
    INSERT INTO events (id, source, type, subject, time, body, existing)
    VALUES (:id, :source, :type, :subject, :time, :body, :existing)
    ON CONFLICT (id) DO NOTHING
    RETURNING seq"""
OLD_EVENTS = """
    SELECT time, seq, EXISTS (SELECT 1 FROM deliveries WHERE event = events.id)
    FROM events WHERE time < :before AND (time, seq) > (:time, :seq)
    ORDER BY time, seq LIMIT :limit"""
PRUNE_EVENTS = """
    DELETE FROM events
    WHERE seq IN (SELECT value FROM json_each(?))
        AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = events.id)"""

# The outbox

DELIVERY = """d.id, d.receiver, d.rule, d.due, d.created, d.attempt, d.state, d.timer, d.note,
    d.settled, d.kind, d.number, d.batch, d.message, d.candidates, d.held, d.redirected,
    d.reached, d.uncertain, d.ending, d.refused, d.aside, d.cut, e.body"""
"""The columns that `rows.read_delivery` expects."""

FACTS = """d.lease, d.ended, d.over, d.id, d.receiver, d.rule, d.due, d.created, d.attempt, d.state,
    d.timer, d.note, d.settled, d.kind, d.number, d.batch, d.message, d.candidates, d.held,
    d.redirected, d.reached, d.uncertain, d.ending, d.refused, d.aside, d.cut, d.event, e.type, e.source,
    e.subject, e.time"""
"""The columns that `rows.read_facts` expects: all that decides what becomes of a row."""

_ROWS = "FROM deliveries d JOIN events e ON e.id = d.event"

# What is in the order of its conversation, as `OutboxRow.in_order` says.
_IN_ORDER = "state = 'pending' AND kind = 'event' AND held = 0 AND aside = 0"
_QUEUE = f"receiver = :receiver AND topic = :topic AND {_IN_ORDER}"

ADD_DELIVERY = f"""
    INSERT INTO deliveries (
        key, id, event, source, topic, receiver, rule, timer, state, attempt, due, created,
        settled, note, kind, number, batch, message, candidates, held, redirected, reached,
        uncertain, ending, refused, aside, cut, front)
    VALUES (
        :key, :id, :event, :source, :topic, :receiver, :rule, :timer, :state, :attempt, :due,
        :created, :settled, :note, :kind, :number, :batch, :message, :candidates, :held,
        :redirected, :reached, :uncertain, :ending, :refused, :aside, :cut,
        NOT :in_order OR NOT EXISTS (SELECT 1 FROM deliveries WHERE {_QUEUE}))
    ON CONFLICT (key) DO NOTHING"""

# Who is first of a conversation, after some have joined or left its order: at most one row more changes than
# have, and only among the first of them can be who was first before.
MOVE_UP = f"""
    UPDATE deliveries SET front = 1
    WHERE seq = (SELECT min(seq) FROM deliveries WHERE {_QUEUE}) AND front = 0"""
STEP_BACK = f"""
    UPDATE deliveries SET front = 0
    WHERE seq IN (SELECT seq FROM deliveries WHERE {_QUEUE} ORDER BY seq LIMIT :most OFFSET 1)
        AND front = 1"""

COUNT = """
    INSERT INTO counts (receiver, counted, number) VALUES (?, ?, ?)
    ON CONFLICT (receiver, counted) DO UPDATE SET number = counts.number + excluded.number"""

ROWS_NAMED = f"SELECT {FACTS} {_ROWS} WHERE d.key IN (SELECT value FROM json_each(?))"

# Timers whose state is not over; where the order matters, that of the outbox.
_TIMERS = f"SELECT {FACTS} {_ROWS} WHERE d.timer IS NOT NULL AND d.over = 0"
TIMERS_OF_TOPIC = f"{_TIMERS} AND d.source = ? AND d.topic = ? ORDER BY d.seq"
TIMERS_OF_SOURCE = f"{_TIMERS} AND d.source = ?"
# The messages of events themselves, with what the hours of a rule handed to another receiver.
BEGUN = f"""
    SELECT {FACTS} {_ROWS} WHERE d.id IN (SELECT value FROM json_each(?)) ORDER BY d.seq"""

# Cancelled ones too: an attempt that was under way goes on.
LEASED = f"""
    SELECT {FACTS} FROM deliveries d INDEXED BY deliveries_leased JOIN events e ON e.id = d.event
    WHERE d.lease IS NOT NULL"""
LEASED_BY = f"{LEASED} AND d.receiver = ?"
LATER = """
    SELECT seq FROM deliveries WHERE state = 'pending' AND (due > :after OR lease > :after)"""

DEAD = "SELECT seq FROM deliveries WHERE state = 'dead' ORDER BY seq"
_NAMED = """
    SELECT seq, message FROM deliveries WHERE id IN (SELECT value FROM json_each(:ids))
    UNION SELECT seq, message FROM deliveries WHERE key IN (SELECT value FROM json_each(:ids))
    UNION SELECT seq, message FROM deliveries
        WHERE message <> '' AND message IN (SELECT value FROM json_each(:ids))"""
# With the rest of the digest that a named row went out with.
NAMED = f"""
    WITH named AS ({_NAMED})
    SELECT {FACTS} {_ROWS}
    WHERE d.seq IN (
        SELECT seq FROM named
        UNION SELECT o.seq FROM deliveries o JOIN named n ON o.message = n.message
            WHERE o.message <> '')
    ORDER BY d.seq"""

ROWS_OF = f"""
    SELECT {FACTS} {_ROWS} WHERE d.seq IN (SELECT value FROM json_each(?)) ORDER BY d.seq"""

# Perhaps more rows than are concerned: `OutboxRow.reconfigured` decides.
UNCONFIGURED = """
    SELECT seq FROM deliveries
    WHERE state = 'pending' AND batch <> '' AND kind = 'digest'
        AND rule NOT IN (SELECT value FROM json_each(:rules))
    UNION ALL
    SELECT seq FROM deliveries INDEXED BY deliveries_timer
    WHERE timer IS NOT NULL AND over = 0
        AND (receiver NOT IN (SELECT value FROM json_each(:receivers))
            OR timer NOT IN (SELECT value FROM json_each(:rules))
            OR source NOT IN (SELECT value FROM json_each(:sources)))"""


@functools.cache
def save_row(columns: tuple[str, ...]) -> str:
    """Return the statement that writes these columns of the row with a key (the last parameter)."""
    return f"UPDATE deliveries SET {', '.join(f'{name} = ?' for name in columns)} WHERE key = ?"


_UNLEASED = "(d.lease IS NULL OR d.lease <= :now)"
_NONE_IS_OUT = f"""NOT EXISTS (
    SELECT 1 FROM deliveries WHERE receiver = d.receiver AND topic = d.topic AND lease > :now
        AND {_IN_ORDER})"""

# What is first of its conversation, or in no order; longest due first. Of a conversation of which one is
# out, nothing: that can be another one than the first.
_FRONTS = f"""
    FROM deliveries d
    WHERE d.receiver = :receiver AND d.state = 'pending' AND d.front = 1 AND d.batch = ''
        AND d.due <= :now AND {_UNLEASED}
        AND (d.kind <> 'event' OR d.held = 1 OR d.aside = 1 OR {_NONE_IS_OUT})"""
FRONTS = f"""
    SELECT d.due, d.seq, CASE WHEN {_IN_ORDER} THEN d.topic END {_FRONTS}
    ORDER BY d.due, d.seq"""
# What follows a row in the order of its conversation; read only where none of that is out.
NEXT = f"SELECT due, seq FROM deliveries WHERE {_QUEUE} AND seq > :seq ORDER BY seq LIMIT 1"

TAKEN = f"""
    SELECT d.seq, d.lease, d.ended, d.over, {DELIVERY} {_ROWS}
    WHERE d.seq IN (SELECT value FROM json_each(?))"""

# The same choice as `watcher.store.outbox.collected`.
_DIGESTS = f"""
    FROM deliveries d
    WHERE d.receiver = :receiver AND d.state = 'pending' AND d.batch <> '' AND d.due <= :now
        AND {_UNLEASED}"""
NEXT_DIGEST = f"SELECT d.batch, d.message {_DIGESTS} ORDER BY d.due, d.seq LIMIT 1"
# `+`: by the digest's index, not by that of due times.
COLLECTED = f"""
    SELECT d.seq
    FROM deliveries d
    WHERE d.receiver = :receiver AND d.state = 'pending' AND d.batch <> '' AND d.batch = :batch
        AND d.message = :message AND +d.due <= :now AND {_UNLEASED}
    ORDER BY d.seq LIMIT :limit"""

READY = f"SELECT EXISTS (SELECT 1 {_FRONTS}) OR EXISTS (SELECT 1 {_DIGESTS})"

NO_TIME = -(2**62)
"""Earlier than every time in microseconds."""

NEXT_DUE = "SELECT min(due) FROM deliveries WHERE receiver = ? AND state = 'pending' AND due > ?"
_SENT_AS = "(CASE WHEN message = '' THEN key ELSE message END)"
_SENT = "FROM deliveries WHERE receiver = :receiver AND state = 'delivered'"
# One seek for each message, however many rows a digest had.
SENT_SINCE = f"""
    WITH RECURSIVE sent (seq, settled, name) AS (
        SELECT * FROM (
            SELECT seq, settled, {_SENT_AS} {_SENT} AND settled >= :since
            ORDER BY settled, {_SENT_AS} LIMIT 1)
        UNION ALL
        SELECT d.seq, d.settled, CASE WHEN d.message = '' THEN d.key ELSE d.message END
        FROM sent s JOIN deliveries d ON d.seq = coalesce(
            (SELECT seq {_SENT} AND settled = s.settled AND {_SENT_AS} > s.name
             ORDER BY {_SENT_AS} LIMIT 1),
            (SELECT seq {_SENT} AND settled > s.settled ORDER BY settled, {_SENT_AS} LIMIT 1)))
    SELECT settled FROM sent"""
PENDING = """
    SELECT receiver, sum(number) FROM counts WHERE counted <> 'dead'
    GROUP BY receiver HAVING sum(number) > 0"""
# The same choice as `watcher.model.Delivery.stands`.
STANDS = """CASE WHEN d.state <> 'pending' THEN d.state WHEN d.due <= :now THEN 'due'
    WHEN d.held = 1 THEN 'held' WHEN d.kind IN ('event', 'resolved') OR d.attempt > 0 THEN 'due'
    ELSE 'waiting' END"""
# What is counted as held or waiting is due once its time has come: those few are looked for.
_COME = """(
    SELECT count(*) FROM deliveries
    WHERE receiver = c.receiver AND held = (c.counted = 'held') AND due <= :now AND state = 'pending'
        AND (held = 1 OR (kind NOT IN ('event', 'resolved') AND attempt = 0)))"""
QUEUES = f"""
    SELECT receiver, sum(CASE WHEN counted = 'due' THEN number ELSE come END),
        sum(CASE WHEN counted = 'waiting' THEN number - come ELSE 0 END),
        sum(CASE WHEN counted = 'held' THEN number - come ELSE 0 END)
    FROM (
        SELECT receiver, counted, number, CASE counted WHEN 'due' THEN 0 ELSE {_COME} END AS come
        FROM counts c WHERE counted <> 'dead')
    GROUP BY receiver HAVING sum(number) > 0"""
# The same choice as `watcher.store.memory` makes; what is not in front waits for one before it.
BACKLOG = """
    SELECT receiver, CASE
            WHEN front = 0 AND kind = 'event' AND held = 0 AND aside = 0 THEN 'order'
            WHEN due <= :now THEN 'due'
            WHEN held = 1 THEN 'hours'
            WHEN attempt > 0 THEN 'retry'
            WHEN kind = 'digest' THEN 'digest'
            WHEN kind IN ('for', 'repeat') THEN 'timer'
            ELSE 'retry' END AS reason,
        count(*), min(due)
    FROM deliveries WHERE state = 'pending' GROUP BY receiver, reason ORDER BY receiver, reason"""
UNREAD_COUNTS = """
    SELECT source, count(*) FROM snapshots WHERE present = 1 AND unread = 1 GROUP BY source"""
LONGEST_WAITS = """
    SELECT source, min(waiting) FROM snapshots
    WHERE present = 1 AND waiting IS NOT NULL GROUP BY source"""
# About: the distance between the ends of a table, however many rows were removed in between.
EXTENT = """
    SELECT coalesce((SELECT max(seq) FROM events) - (SELECT min(seq) FROM events) + 1, 0),
        coalesce((SELECT max(seq) FROM deliveries) - (SELECT min(seq) FROM deliveries) + 1, 0)"""
DEAD_COUNTS = "SELECT receiver, number FROM counts WHERE counted = 'dead' AND number > 0"
DIED_SINCE = """
    SELECT receiver, died FROM (
        SELECT receiver, (
            SELECT count(*) FROM deliveries
            WHERE receiver = c.receiver AND state = 'dead' AND settled > ?) AS died
        FROM counts c WHERE counted = 'dead' AND number > 0)
    WHERE died > 0"""

# As `OutboxRow.outlived` says.
_OLD = """state <> 'pending' AND (timer IS NULL OR over = 1)
    AND coalesce(settled, created) < :before"""
OLD_DELIVERIES = f"SELECT seq FROM deliveries INDEXED BY deliveries_old WHERE {_OLD} LIMIT :limit"
PRUNE_DELIVERIES = f"""
    DELETE FROM deliveries
    WHERE seq IN (SELECT value FROM json_each(:chosen)) AND {_OLD}
    RETURNING receiver, state"""

# Ids by their beginning


def _distinct(table: str, column: str, condition: str = "true") -> str:
    """Return the statement for different values from `:first` to `:end`, one seek in the index for
    each, however often it occurs.
    """
    least = f"SELECT min({column}) FROM {table} WHERE {condition} AND {column} < :end AND {column}"
    return f"""
    WITH RECURSIVE found (id, number) AS (
        SELECT ({least} >= :first), 1
        UNION ALL SELECT ({least} > found.id), number + 1 FROM found
        WHERE found.id IS NOT NULL AND number < :limit)
    SELECT id FROM found WHERE id IS NOT NULL"""


IDS = {
    "event": (_distinct("events", "id"),),
    "delivery": (
        _distinct("deliveries", "id"),
        _distinct("deliveries", "message", "message <> ''"),
    ),
    "conversation": (_distinct("events", "subject"), _distinct("snapshots", "id")),
}

# The history of deliveries

ENTRY = "delivery, at, kind, attempt, note, status, excerpt, seconds"
"""The columns that `rows.read_entry` expects."""

ADD_HISTORY = """
    INSERT INTO history (delivery, at, kind, attempt, note, status, excerpt, seconds)
    VALUES (:key, :at, :kind, :attempt, :note, :status, :excerpt, :seconds)"""
HISTORY = f"""
    SELECT {ENTRY} FROM history
    WHERE delivery IN (SELECT value FROM json_each(?)) ORDER BY delivery, seq"""

# Rule results

SAVE_VERDICTS = "UPDATE events SET verdicts = ? WHERE id = ?"
VERDICTS = """
    SELECT id, verdicts FROM events
    WHERE verdicts IS NOT NULL AND id IN (SELECT value FROM json_each(?))"""

# Throttle marks and silences

MARK = "m.receiver, m.rule, m.subject, m.at, m.until, m.delivery"
"""The columns that `rows.read_mark` expects."""

MARKS = f"""
    SELECT {MARK}
    FROM json_each(?) w JOIN marks m ON m.receiver = ?
        AND m.rule = json_extract(w.value, '$[0]') AND m.subject = json_extract(w.value, '$[1]')
        LEFT JOIN deliveries d ON d.key = m.delivery
    WHERE d.state IS NULL OR d.state NOT IN ('dead', 'cancelled')"""
SAVE_MARK = """
    INSERT INTO marks (receiver, rule, subject, at, until, delivery) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (receiver, rule, subject)
        DO UPDATE SET at = excluded.at, until = excluded.until, delivery = excluded.delivery"""
PRUNE_MARKS = "DELETE FROM marks WHERE until < ?"

# Actions

ADD_ACTION = "INSERT INTO actions (at, who, via, what, target, note) VALUES (?, ?, ?, ?, ?, ?)"
ACTIONS = """
    SELECT seq, at, who, via, what, target, note FROM actions
    WHERE seq < ? ORDER BY seq DESC LIMIT ?"""
PRUNE_ACTIONS = "DELETE FROM actions WHERE at < ?"

_OVER = ", ".join(f"'{one}'" for one in OVER)


def _lasts(table: str) -> str:
    """Return the condition that nothing has happened in a conversation since somebody has taken it: looked
    for among its events since then, of which there are few.
    """
    return f"""NOT EXISTS (
        SELECT 1 FROM events e WHERE e.subject = {table}.conversation AND e.seq > {table}.seq
            AND e.source = {table}.source AND e.type IN ({_OVER}))"""


ACKNOWLEDGEMENTS = f"""
    SELECT source, conversation, at, who, via FROM acknowledgements
    WHERE {_lasts("acknowledgements")} ORDER BY at, source, conversation"""
DROP_ACKNOWLEDGEMENT = f"""
    DELETE FROM acknowledgements
    WHERE source = ? AND conversation = ? AND {_lasts("acknowledgements")}"""
# One that is over is replaced, one that lasts stays: who was first has it.
ACKNOWLEDGE = f"""
    INSERT INTO acknowledgements (source, conversation, at, who, via, seq)
    VALUES (?, ?, ?, ?, ?, coalesce((SELECT max(seq) FROM events), 0))
    ON CONFLICT (source, conversation) DO UPDATE
        SET at = excluded.at, who = excluded.who, via = excluded.via, seq = excluded.seq
        WHERE NOT ({_lasts("acknowledgements")})"""
PRUNE_ACKNOWLEDGEMENTS = "DELETE FROM acknowledgements WHERE at < ?"

# Tallies

TALLY = """
    INSERT INTO tallies (kind, hour, name, what, count) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (kind, hour, name, what) DO UPDATE SET count = tallies.count + excluded.count"""
STEPS = {"hour": "hour", "day": "hour - hour % 24", "whole": ":since"}
TALLIES = {
    step: f"""
    SELECT {begun}, name, what, sum(count) FROM tallies
    WHERE kind = :kind AND hour >= :since AND hour < :until
        AND (:names = '[]' OR name IN (SELECT value FROM json_each(:names)))
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT :limit"""
    for step, begun in STEPS.items()
}
PRUNE_TALLIES = (
    "DELETE FROM tallies WHERE kind IN ('types', 'sources', 'rules', 'receivers') AND hour < ?"
)

SILENCE = "id, match, reason, starts, ends, author"
"""The columns that `rows.read_silence` expects."""

SILENCES = f"SELECT {SILENCE} FROM silences ORDER BY starts, id"
ADD_SILENCE = """
    INSERT INTO silences (id, match, reason, starts, ends, author) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET match = excluded.match, reason = excluded.reason,
        starts = excluded.starts, ends = excluded.ends, author = excluded.author"""
EXPIRE_SILENCE = "UPDATE silences SET ends = :now WHERE id = :id AND ends > :now"
PRUNE_SILENCES = "DELETE FROM silences WHERE ends < ?"
SUPPRESSED = "SELECT silence, count, last FROM suppressed"
COUNT_SUPPRESSED = """
    INSERT INTO suppressed (silence, count, last) VALUES (?, 1, ?)
    ON CONFLICT (silence) DO UPDATE SET count = suppressed.count + 1, last = excluded.last"""


@dataclass(frozen=True, slots=True)
class Listing:
    """The rows that a query asks for, and the statements that read them, each with its parameters."""

    columns: str
    """What is read of each; their place in the order comes first."""

    tables: str
    order: str
    """The column of their order: it only grows."""

    conditions: tuple[tuple[str, Any], ...]
    """What they must meet, with values (None: it is not asked for)."""

    def newest(self, limit: int) -> tuple[str, list[Any]]:
        """Read the newest `limit`, oldest first."""
        where, values = _asked(self.conditions)
        newest = (
            f"SELECT {self.columns} {self.tables} WHERE {where or 'true'} ORDER BY {self.order}"
        )
        return f"SELECT * FROM ({newest} DESC LIMIT ?) ORDER BY 1", [*values, max(limit, 0)]

    def oldest(self, limit: int) -> tuple[str, list[Any]]:
        """Read the oldest `limit`, oldest first."""
        where, values = _asked(self.conditions)
        listed = (
            f"SELECT {self.columns} {self.tables} WHERE {where or 'true'} ORDER BY {self.order}"
        )
        return f"{listed} LIMIT ?", [*values, max(limit, 0)]

    def first(self, limit: int) -> tuple[str, list[Any]]:
        """Read the place of the oldest of the newest `limit`; nothing where there are not so many."""
        where, values = _asked(self.conditions)
        places = f"SELECT {self.order} {self.tables} WHERE {where or 'true'} ORDER BY {self.order}"
        return f"{places} DESC LIMIT 1 OFFSET ?", [*values, limit - 1]

    def after(self, place: int, limit: int) -> tuple[str, list[Any]]:
        """Read `limit` rows that follow a place, in their order."""
        where, values = _asked((*self.conditions, (f"{self.order} > ?", place)))
        rows_ = f"SELECT {self.columns} {self.tables} WHERE {where} ORDER BY {self.order} LIMIT ?"
        return rows_, [*values, limit]


TYPES = _distinct("events", "type").replace(":limit", "1000").replace(":end", "'~'")
"""The types in the log, one seek for each."""


def one_by_one(query: EventQuery, types: Sequence[str]) -> tuple[str, list[Any]]:
    """Return the statement for the events of some types and nothing else, and its parameters: of each type
    the first ones by its index, then the first of those. A walk over the log would look at every event for
    a type that is rare.
    """
    order = "" if query.oldest else " DESC"
    where, values = _asked(
        [("seq > ?", query.after), ("seq < ?", query.before), ("existing = ?", 0)]
    )
    limit = max(query.limit, 0)
    each = f"""SELECT * FROM (
        SELECT seq FROM events WHERE type = ? AND {where} ORDER BY seq{order} LIMIT ?)"""
    every = " UNION ALL ".join([each] * len(types))
    statement = f"""
        SELECT seq, body FROM events
        WHERE seq IN (SELECT seq FROM ({every}) ORDER BY seq{order} LIMIT ?) ORDER BY seq"""
    asked = [value for type_ in types for value in (type_, *values, limit)]
    return statement, [*asked, limit]


def _types(column: str, globs: tuple[str, ...]) -> tuple[str, Any]:
    """Return the condition that one of these globs fits: a single type is found by its index."""
    if len(globs) == 1 and "*" not in globs[0]:
        return f"{column} = ?", globs[0]
    return _globs(column, globs)


def events(query: EventQuery) -> Listing:
    """Return what a query of the log asks for."""
    return Listing(
        "seq, body",
        "FROM events",
        "seq",
        (
            ("seq > ?", query.after),
            ("seq < ?", query.before),
            ("time >= ?", rows.maybe_micros(query.since)),
            ("time < ?", rows.maybe_micros(query.until)),
            _types("type", query.types),
            _among("source", query.sources),
            _among("subject", query.conversations),
            ("id = ?", query.id),
            ("existing = ?", 0),
        ),
    )


IN_STATE = {
    state: f"d.state = '{state}'" for state in ("pending", "delivered", "dead", "cancelled")
}
"""Spelt out, so that the partial indices of a state serve."""

NAMED_SO = """d.seq IN (SELECT seq FROM deliveries WHERE id = ?
    UNION SELECT seq FROM deliveries WHERE message <> '' AND message = ?)"""
"""The row of an id, and those that went out with the digest of that id: each found by its index."""


def deliveries(query: DeliveryQuery, columns: str = DELIVERY) -> Listing:
    """Return what a query of the outbox asks for."""
    topics = tuple(
        rows.topic(source, subject) for source in query.sources for subject in query.conversations
    )
    standing = None if query.stands is None else [rows.micros(query.stands[1]), query.stands[0]]
    return Listing(
        f"d.seq, {columns}",
        _ROWS,
        "d.seq",
        (
            (IN_STATE[query.state], []) if query.state is not None else ("", None),
            (f"{STANDS.replace(':now', '?')} = ?", standing),
            ("d.seq > ?", query.after),
            ("d.seq < ?", query.before),
            ("d.attempt > ?", 0 if query.tried else None),
            ("d.receiver = ?", query.receiver),
            _among("d.event", query.events),
            (NAMED_SO, None if query.id is None else [query.id, query.id]),
            _among("d.topic", topics),
            _among("e.subject", () if topics else query.conversations),
            _among("d.source", query.sources),
            ("d.rule = ?", query.rule),
            ("d.batch = ? AND d.message = ''", query.batch),
            _globs("e.type", query.types),
            ("d.created >= ?", rows.maybe_micros(query.since)),
            ("d.created < ?", rows.maybe_micros(query.until)),
        ),
    )


CONVERSATIONS = {
    # Longer than a look-up, because a part may stand anywhere; the order of the index saves sorting.
    "words": (
        "snapshots INDEXED BY snapshots_words", "words, source, id",
        "present = 1 AND words IS NOT NULL",
    ),
    "waiting": (
        "snapshots INDEXED BY snapshots_waiting", "waiting, source, id",
        "present = 1 AND waiting IS NOT NULL",
    ),
    "rest": ("snapshots", "source, id", "present = 1 AND waiting IS NULL"),
}  # fmt: skip
"""The parts that a list of conversations is read in: the table, the order, and what is in the part."""


def parts_of(query: ConversationQuery) -> tuple[str, ...]:
    """Return the parts of the list that a query asks for, in their order."""
    if asked_words(query.words):
        return ("words",)
    return ("waiting",) if query.waiting else ("waiting", "rest")


def place_in(part: str, place: ConversationPlace) -> tuple[Any, ...] | None:
    """Return the place in a part of a list from which to go on; None where the part is over."""
    match part:
        case "words":
            return place.words, place.source, place.id
        case "waiting" if place.waiting is not None:
            return rows.micros(place.waiting), place.source, place.id
        case "waiting":
            return None
    return () if place.waiting is not None else (place.source, place.id)


def conversations(
    query: ConversationQuery, part: str, after: tuple[Any, ...]
) -> tuple[str, list[Any]]:
    """Return the statement for a part of a list of conversations, and its parameters; `after` is the place
    of the last one that was read (`place_in`).
    """
    where, values = _asked(
        [
            _among("source", query.sources),
            _among("id", query.ids),
            # Spelt out, so that the partial indices serve.
            ("unread = 1", [] if query.unread else None),
            ("waiting IS NOT NULL", [] if query.waiting else None),
            (
                f"{_document('archived')} = ?",
                None if query.archived is None else int(query.archived),
            ),
            ("unassigned = 1", [] if query.assignee == "" else None),
            (
                f"? IN ({_document('assignee.id')}, {_document('assignee.name')})",
                query.assignee or None,
            ),
            ("instr(words, ?) > 0", asked_words(query.words) or None),
        ]
    )
    table, order, state = CONVERSATIONS[part]
    if query.ids:
        table = "snapshots"  # a few rows by their ids: sooner found, and sorted
    select = f"SELECT {order}, {SNAPSHOT} FROM {table} WHERE {state}"
    more = f" AND {where}" if where else ""
    if after:
        more += f" AND ({order}) > ({', '.join('?' * len(after))})"
    limit = max(query.limit, 0)
    return f"{select}{more} ORDER BY {order} LIMIT ?", [*values, *after, limit]


def _document(path: str) -> str:
    return f"json_extract(unpacked(conversation), '$.{path}')"


def _among(column: str, values: tuple[str, ...]) -> tuple[str, Any]:
    """Return a condition with its values (None: no condition): one of them."""
    if len(values) == 1:
        return f"{column} = ?", values[0]
    marks = ", ".join("?" * len(values))
    return f"{column} IN ({marks})", list(values) or None


def _globs(column: str, globs: tuple[str, ...]) -> tuple[str, Any]:
    """Return a condition with its values (None: no condition): one of these globs fits."""
    fits = " OR ".join([rf"{column} LIKE ? ESCAPE '\'"] * len(globs))
    return f"({fits})", [rows.like(glob) for glob in globs] or None


def _asked(conditions: Iterable[tuple[str, Any]]) -> tuple[str, list[Any]]:
    """Join the conditions that have a value; return them with the values."""
    asked = [(condition, value) for condition, value in conditions if value is not None]
    values = [one for _, value in asked for one in (value if isinstance(value, list) else [value])]
    return " AND ".join(condition for condition, _ in asked), values
