"""What the SQLite store writes, each transaction one plain function of the writing connection.

Law: run by the writer thread only, inside its savepoint. Nothing here begins, commits or rolls
back; an exception undoes everything that the function did.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from watcher.errors import Conflict, StoreError
from watcher.model import Delivery, Snapshot
from watcher.records import Commit, ReceiverState, Recorded, Settlement, StoredSilence, ThrottleMark
from watcher.store import _note_queries, _queries, _rows
from watcher.store._outbox import (
    DIGESTED_AT_MOST,
    FAILED_OFTEN,
    FORGOTTEN,
    RECEIVER_GONE,
    RETRIED,
    RULE_GONE,
    SOURCE_GONE,
    digest_id,
    made_at,
)

__all__ = [
    "acknowledge",
    "add_silence",
    "claim",
    "collect",
    "commit",
    "expire_silence",
    "prune",
    "renew",
    "retire_unconfigured",
    "retry",
    "save_receiver",
    "settle",
    "shift_clock",
    "unclaim",
]


def commit(connection: sqlite3.Connection, change: Commit) -> Sequence[Recorded]:
    """Write a commit whole, in the order that `watcher.records.Commit` states."""
    at = _rows.maybe_micros(made_at(change))
    if change.forget:
        connection.execute(_queries.FORGET_SNAPSHOTS, (change.source,))
        parameters = {"source": change.source, "note": FORGOTTEN, "at": at}
        _tell_and_do(connection, _queries.FORGET_TIMERS, parameters)
    if change.forget_fields:
        _unsee(connection, change.source, change.forget_fields)
    for snapshot in change.snapshots:
        _save_snapshot(connection, change.source, snapshot)
    if change.state is not None:
        document = _rows.SOURCE.dump_json(change.state).decode()
        connection.execute(_queries.SAVE_SOURCE, (change.state.name, document))
    new = _add_events(connection, change)
    for end in change.ends:
        _tell_and_do(
            connection,
            _queries.END_TIMERS,
            {
                "topic": _rows.topic(end.source, end.subject),
                "rule": end.rule,
                "note": end.note,
                "at": at,
            },
        )
    _add_deliveries(connection, change, {recorded.event.id for recorded in new})
    return new


def _tell_and_do(
    connection: sqlite3.Connection, statements: tuple[str, str], parameters: dict[str, Any]
) -> int:
    """Write into the history what is about to be done, then do it; gives how many lines that were."""
    told = connection.execute(statements[0], parameters).rowcount
    connection.execute(statements[1], parameters)
    return told


def _unsee(connection: sqlite3.Connection, source: str, paths: frozenset[str]) -> None:
    """Strike paths from every snapshot: the rows of a source share a handful of `seen` sets."""
    for (before,) in connection.execute(_queries.SEEN, (source,)).fetchall():
        after = _rows.json_list(frozenset(json.loads(before)) - paths)
        if after != before:
            connection.execute(_queries.UNSEE, {"source": source, "before": before, "after": after})


def _save_snapshot(connection: sqlite3.Connection, source: str, snapshot: Snapshot) -> None:
    statement = _queries.ADD_SNAPSHOT if snapshot.revision == 1 else _queries.CHANGE_SNAPSHOT
    cursor = connection.execute(statement, _rows.snapshot_row(source, snapshot))
    if cursor.rowcount != 1:
        raise Conflict(
            f"conversation {snapshot.conversation.id} of {source} has moved on meanwhile"
        )


def _add_events(connection: sqlite3.Connection, change: Commit) -> list[Recorded]:
    new = []
    for event in change.events:
        added = connection.execute(_queries.ADD_EVENT, _rows.event_row(event)).fetchall()
        new += [Recorded(seq, event) for (seq,) in added]
        if added and (said := change.verdicts.get(event.id)):
            connection.execute(_note_queries.SAVE_VERDICTS, (_rows.pack_verdicts(said), event.id))
    return new


def _add_deliveries(connection: sqlite3.Connection, change: Commit, new: set[str]) -> None:
    repeated = {event.id for event in change.events} - new
    for delivery in change.deliveries:
        if delivery.event.id not in repeated:
            try:
                connection.execute(_queries.ADD_DELIVERY, _rows.delivery_row(delivery))
            except sqlite3.IntegrityError as error:  # its event is not in the log
                reason = f"delivery {delivery.key} carries an event that is not recorded"
                raise StoreError(reason) from error


def claim(
    connection: sqlite3.Connection,
    receiver: str,
    now: datetime,
    lease: timedelta,
    limit: int,
    relaxed: bool,
    together: bool,
) -> Sequence[Delivery]:
    """Take what is eligible."""
    parameters = {
        "receiver": receiver,
        "now": _rows.micros(now),
        "failed_often": FAILED_OFTEN if relaxed else sys.maxsize,
        "limit": limit,
        "together": together,
    }
    rows = connection.execute(_queries.ELIGIBLE, parameters).fetchall()
    until = _rows.micros(now + lease)
    connection.executemany(_queries.CLAIM, [(until, seq) for seq, *_ in rows])
    eligible = [_rows.read_delivery(columns) for _, *columns in rows]
    return [replace(delivery, attempt=delivery.attempt + 1) for delivery in eligible]


def collect(
    connection: sqlite3.Connection, receiver: str, now: datetime, lease: timedelta
) -> Sequence[Delivery]:
    """Take what makes the next digest."""
    parameters = {"receiver": receiver, "now": _rows.micros(now), "limit": DIGESTED_AT_MOST}
    rows = connection.execute(_queries.COLLECTED, parameters).fetchall()
    if not rows:
        return []
    found = [_rows.read_delivery(columns) for _, *columns in rows]
    message = found[0].message or digest_id(found[0], len(found))
    until = _rows.micros(now + lease)
    connection.executemany(_queries.COMPOSE, [(until, message, seq) for seq, *_ in rows])
    return [replace(one, attempt=one.attempt + 1, message=message) for one in found]


def settle(
    connection: sqlite3.Connection,
    settlements: Sequence[Settlement],
    receiver: ReceiverState | None,
    change: Commit | None,
    marks: Sequence[ThrottleMark],
) -> Sequence[Recorded]:
    """Record outcomes, the receiver's state and what follows."""
    for outcome in settlements:
        fence = {"key": outcome.key, "attempt": outcome.attempt}
        if connection.execute(_queries.FENCE, fence).fetchone() is not None:
            _settle(connection, outcome)
    connection.executemany(_note_queries.SAVE_MARK, map(_rows.mark_row, marks))
    if receiver is not None:
        save_receiver(connection, receiver)
    return commit(connection, change) if change is not None else []


def _settle(connection: sqlite3.Connection, outcome: Settlement) -> None:
    if outcome.entry is not None:
        connection.execute(_note_queries.TELL, _rows.entry_row(outcome.entry))
    settled = _rows.maybe_micros(outcome.settled)
    if outcome.silence and settled is not None:
        connection.execute(_note_queries.COUNT_SUPPRESSED, (outcome.silence, settled))
    connection.execute(
        _queries.SETTLE,
        {
            "key": outcome.key,
            "attempt": outcome.attempt,
            "state": outcome.state,
            "due": _rows.micros(outcome.due),
            "note": outcome.note,
            "settled": settled,
            "untried": int(outcome.untried),
            "rule": outcome.rule,
            "message": outcome.message,
            "batch": outcome.batch,
            "held": int(outcome.held),
            "reached": json.dumps(outcome.reached),
        },
    )
    for delivery in outcome.then:
        row = {**_rows.delivery_row(delivery), "before": outcome.key}
        connection.execute(_queries.FOLLOW, row)


def acknowledge(
    connection: sqlite3.Connection, conversation: str, source: str | None, note: str, now: datetime
) -> int:
    """End the timers about a conversation."""
    parameters = {
        "conversation": conversation,
        "source": source,
        "note": note,
        "at": _rows.micros(now),
    }
    return _tell_and_do(connection, _queries.ACKNOWLEDGE, parameters)


def save_receiver(connection: sqlite3.Connection, state: ReceiverState) -> None:
    """Remember a receiver's state."""
    document = _rows.RECEIVER.dump_json(state).decode()
    connection.execute(_queries.SAVE_RECEIVER, (state.name, document))


def renew(connection: sqlite3.Connection, receiver: str, until: datetime) -> None:
    """Let all leases of a receiver end later."""
    given = {"receiver": receiver, "until": _rows.micros(until)}
    connection.execute(_queries.RENEW, given)


def unclaim(connection: sqlite3.Connection, receiver: str | None) -> None:
    """End all leases, or those of one receiver."""
    connection.execute(_queries.UNCLAIM, {"receiver": receiver})


def retry(connection: sqlite3.Connection, ids: Collection[str] | None, now: datetime) -> int:
    """Make dead deliveries pending again."""
    chosen = None if ids is None else _rows.json_list(ids)
    parameters = {"now": _rows.micros(now), "ids": chosen, "note": RETRIED}
    return _tell_and_do(connection, (_queries.TELL_RETRY, _queries.RETRY), parameters)


def retire_unconfigured(
    connection: sqlite3.Connection,
    receivers: Collection[str],
    rules: Collection[str],
    sources: Collection[str],
    now: datetime,
) -> int:
    """Give up what belongs to receivers, rules and sources that are no longer configured."""
    named = {
        "receivers": _rows.json_list(receivers),
        "rules": _rows.json_list(rules),
        "sources": _rows.json_list(sources),
        "now": _rows.micros(now),
    }
    dead = _tell_and_do(connection, _queries.BURY, {**named, "note": RECEIVER_GONE})
    cancelled = _tell_and_do(connection, _queries.CANCEL_RULES, {**named, "note": RULE_GONE})
    cancelled += _tell_and_do(connection, _queries.CANCEL_SOURCES, {**named, "note": SOURCE_GONE})
    connection.execute(_queries.END_GONE_TIMERS, named)
    return dead + cancelled


def shift_clock(connection: sqlite3.Connection, by: timedelta, after: datetime) -> None:
    """Move due times and leases along with the clock."""
    jump = {"by": by // timedelta(microseconds=1), "after": _rows.micros(after)}
    connection.execute(_queries.SHIFT, jump)


def prune(connection: sqlite3.Connection, events: datetime, deliveries: datetime) -> int:
    """Remove what is old; deliveries first, so that events which only they carried can go."""
    gone = connection.execute(_queries.PRUNE_DELIVERIES, {"before": _rows.micros(deliveries)})
    old = connection.execute(_queries.PRUNE_EVENTS, {"before": _rows.micros(events)})
    connection.execute(_note_queries.PRUNE_MARKS, (_rows.micros(deliveries),))
    connection.execute(_note_queries.PRUNE_SILENCES, (_rows.micros(deliveries),))
    return gone.rowcount + old.rowcount


def add_silence(connection: sqlite3.Connection, silence: StoredSilence) -> None:
    """Remember a silence."""
    span = _rows.micros(silence.starts), _rows.micros(silence.ends)
    connection.execute(
        _note_queries.ADD_SILENCE, (silence.id, silence.match, silence.reason, *span)
    )


def expire_silence(connection: sqlite3.Connection, silence: str, now: datetime) -> bool:
    """End a silence."""
    parameters = {"id": silence, "now": _rows.micros(now)}
    return connection.execute(_note_queries.EXPIRE_SILENCE, parameters).rowcount == 1
