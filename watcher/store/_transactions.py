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

from watcher.errors import Conflict, StoreError
from watcher.model import Delivery, Snapshot
from watcher.records import Commit, ReceiverState, Recorded, Settlement
from watcher.store import _queries, _rows
from watcher.store._outbox import (
    FAILED_OFTEN,
    FORGOTTEN,
    RECEIVER_GONE,
    RULE_GONE,
    SOURCE_GONE,
    made_at,
)

__all__ = [
    "bury",
    "claim",
    "commit",
    "prune",
    "retry",
    "save_receiver",
    "settle",
    "unclaim",
]


def commit(connection: sqlite3.Connection, change: Commit) -> Sequence[Recorded]:
    """Write a commit whole, in the order that `watcher.records.Commit` states."""
    at = _rows.maybe_micros(made_at(change))
    if change.forget:
        connection.execute(_queries.FORGET_SNAPSHOTS, (change.source,))
        connection.execute(
            _queries.FORGET_TIMERS, {"source": change.source, "note": FORGOTTEN, "at": at}
        )
    if change.unsee:
        _unsee(connection, change.source, change.unsee)
    for snapshot in change.snapshots:
        _save_snapshot(connection, change.source, snapshot)
    if change.state is not None:
        document = _rows.SOURCE.dump_json(change.state).decode()
        connection.execute(_queries.SAVE_SOURCE, (change.state.name, document))
    new = _add_events(connection, change)
    for end in change.ends:
        connection.execute(
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
        "patience": FAILED_OFTEN if relaxed else sys.maxsize,
        "limit": limit,
        "together": together,
    }
    rows = connection.execute(_queries.ELIGIBLE, parameters).fetchall()
    until = _rows.micros(now + lease)
    connection.executemany(_queries.CLAIM, [(until, seq) for seq, *_ in rows])
    eligible = [_rows.read_delivery(columns) for _, *columns in rows]
    return [replace(delivery, attempt=delivery.attempt + 1) for delivery in eligible]


def settle(
    connection: sqlite3.Connection,
    settlements: Sequence[Settlement],
    receiver: ReceiverState | None,
    change: Commit | None,
) -> Sequence[Recorded]:
    """Record outcomes, the receiver's state and what follows."""
    connection.executemany(
        _queries.SETTLE,
        [
            {
                "key": outcome.key,
                "attempt": outcome.attempt,
                "state": outcome.state,
                "due": _rows.micros(outcome.due),
                "note": outcome.note,
                "settled": _rows.maybe_micros(outcome.settled),
                "untried": outcome.untried,
            }
            for outcome in settlements
        ],
    )
    if receiver is not None:
        save_receiver(connection, receiver)
    return commit(connection, change) if change is not None else []


def save_receiver(connection: sqlite3.Connection, state: ReceiverState) -> None:
    """Remember a receiver's state."""
    document = _rows.RECEIVER.dump_json(state).decode()
    connection.execute(_queries.SAVE_RECEIVER, (state.name, document))


def unclaim(connection: sqlite3.Connection) -> None:
    """End all leases."""
    connection.execute(_queries.UNCLAIM)


def retry(connection: sqlite3.Connection, ids: Collection[str] | None, now: datetime) -> int:
    """Make dead deliveries pending again."""
    at = _rows.micros(now)
    if ids is None:
        return connection.execute(_queries.RETRY_ALL, {"now": at}).rowcount
    return connection.execute(_queries.RETRY, {"now": at, "ids": _rows.json_list(ids)}).rowcount


def bury(
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
    dead = connection.execute(_queries.BURY, {**named, "note": RECEIVER_GONE}).rowcount
    cancelled = connection.execute(
        _queries.CANCEL_TIMERS, {**named, "rule_gone": RULE_GONE, "source_gone": SOURCE_GONE}
    ).rowcount
    connection.execute(_queries.END_GONE_TIMERS, named)
    return dead + cancelled


def prune(connection: sqlite3.Connection, events: datetime, deliveries: datetime) -> int:
    """Remove what is old; deliveries first, so that events which only they carried can go."""
    gone = connection.execute(_queries.PRUNE_DELIVERIES, {"before": _rows.micros(deliveries)})
    old = connection.execute(_queries.PRUNE_EVENTS, {"before": _rows.micros(events)})
    return gone.rowcount + old.rowcount
