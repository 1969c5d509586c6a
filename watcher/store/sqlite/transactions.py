"""What the SQLite store writes, each transaction one plain function of the writing connection.

Rules: run by the writer's thread only, inside its savepoint. Nothing here begins, commits or rolls
back; an exception undoes everything that the function did. What becomes of a row of the outbox is
decided by `watcher.store.outbox`; here rows are chosen and written back.
"""

from __future__ import annotations

import heapq
import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from watcher.errors import Conflict, StoreError
from watcher.model import CONVERSATION, Delivery, Snapshot
from watcher.records import (
    Action,
    Commit,
    ReceiverState,
    Recorded,
    Settlement,
    StoredSilence,
    ThrottleMark,
)
from watcher.store.outbox import (
    DIGEST_LIMIT,
    FORGOTTEN,
    Change,
    OutboxRow,
    digest_id,
    end_timers,
    made_at,
    repeat_alone,
    repeated,
)
from watcher.store.sqlite import queries, rows
from watcher.store.sqlite.packing import pack, unpack
from watcher.store.sqlite.schema import INCREMENTAL
from watcher.store.tallies import Counted, hour_of, of_change, of_events
from watcher.store.withholding import (
    Attributes,
    conversation_without,
    plain_without,
    snapshot_without,
    verdicts_without,
)

__all__ = [
    "acknowledge",
    "act",
    "add_silence",
    "begin",
    "claim",
    "collect",
    "commit",
    "decide_texts",
    "expire_silence",
    "forget_gone",
    "key",
    "prune_deliveries",
    "prune_events",
    "prune_marks",
    "prune_tallies",
    "renew",
    "retire_unconfigured",
    "retry",
    "retry_dead",
    "save_receiver",
    "settle",
    "shift_clock",
    "shrink",
    "take_back",
    "unclaim",
    "withhold",
]

Connection = sqlite3.Connection

KEY, NO_TEXTS, LINK_KEYS = "key", "no texts", "link keys"
"""What is known of the installation: its key; that it holds nothing that people write."""

BATCH = 500
"""How many rows are read at a time, to be changed in one transaction."""


def commit(connection: Connection, change: Commit) -> Sequence[Recorded]:
    """Write a commit whole, in the order that `watcher.records.Commit` states."""
    at = made_at(change)
    if change.forget:
        while connection.execute(queries.FORGET_SNAPSHOTS, (change.source,)).rowcount:
            pass  # a part at a time: no statement may take too many steps
        timers = _read(connection, queries.TIMERS_OF_SOURCE, (change.source,))
        _change(connection, timers, lambda row: row.finished(FORGOTTEN, at))
    if change.forget_fields:
        _forget_fields(connection, change.source, change.forget_fields)
    if change.snapshots:
        _save_snapshots(connection, change.source, change.snapshots)
    if change.state is not None:
        document = rows.SOURCE.adapter.dump_json(change.state).decode()
        connection.execute(queries.SAVE_SOURCE, (change.state.name, document))
    new = _add_events(connection, change)
    for end in change.ends:
        about = _timers(connection, end.source, end.subject)
        timers = [row for row in about if row.is_ended_by(end)]
        alone = repeat_alone(timers) if end.resolved else ()
        begun = _read(connection, queries.BEGUN, (rows.json_list(alone),)) if alone else []
        _write(connection, end_timers(end, timers, begun, at))
    repeated = {event.id for event in change.events} - {recorded.event.id for recorded in new}
    for delivery in change.deliveries:
        # The change was reported before, with the deliveries it led to then.
        if delivery.event.id not in repeated:
            _add_delivery(connection, delivery)
    _tally(connection, of_events([one.event for one in new], change.verdicts))
    act(connection, change.action)
    return [recorded for recorded in new if not recorded.event.existing]


def _forget_fields(connection: Connection, source: str, paths: frozenset[str]) -> None:
    """Remove paths from every snapshot: the rows of a source share a handful of `seen` sets."""
    for (before,) in connection.execute(queries.SEEN, (source,)).fetchall():
        after = rows.json_list(frozenset(json.loads(before)) - paths)
        if after != before:
            if after != rows.json_list(()):
                connection.execute(queries.SHOW, (after,))
            parameters = {"source": source, "before": before, "after": after}
            connection.execute(queries.FORGET_FIELDS, parameters)


def _save_snapshots(connection: Connection, source: str, snapshots: Sequence[Snapshot]) -> None:
    added = 0
    shown = {(rows.json_list(seen),) for seen in {one.seen for one in snapshots} if seen}
    connection.executemany(queries.SHOW, sorted(shown))
    for snapshot in snapshots:
        new, columns = snapshot.revision == 1, rows.snapshot_row(source, snapshot)
        statement = queries.ADD_SNAPSHOT if new else queries.CHANGE_SNAPSHOT
        if connection.execute(statement, columns).rowcount != 1:
            raise Conflict(
                f"conversation {snapshot.conversation.id} of {source} has moved on meanwhile"
            )
        added += columns["size"] if new else 0
    if added:
        connection.execute(queries.GROW, (source, added))


def _add_events(connection: Connection, change: Commit) -> list[Recorded]:
    new = []
    for event in change.events:
        added = connection.execute(queries.ADD_EVENT, rows.event_row(event)).fetchall()
        new += [Recorded(seq, event) for (seq,) in added]
        if added and (results := change.verdicts.get(event.id)):
            connection.execute(queries.SAVE_VERDICTS, (rows.pack_verdicts(results), event.id))
    return new


# The outbox


def _read(connection: Connection, statement: str, parameters: Any = ()) -> list[OutboxRow]:
    """Return the rows that a statement chooses, without the data of their events."""
    return [rows.read_facts(columns) for columns in connection.execute(statement, parameters)]


def _rows_of(connection: Connection, chosen: Sequence[int]) -> list[OutboxRow]:
    return _read(connection, queries.ROWS_OF, (json.dumps(list(chosen)),))


def _rows_named(connection: Connection, keys: Collection[str]) -> list[OutboxRow]:
    return _read(connection, queries.ROWS_NAMED, (rows.json_list(keys),)) if keys else []


def _timers(connection: Connection, source: str, subject: str | None) -> list[OutboxRow]:
    """Return the timers about a conversation, or a source, whose state is not over."""
    about = source, rows.topic(source, subject)
    return _read(connection, queries.TIMERS_OF_TOPIC, about)


def _change(
    connection: Connection, chosen: Iterable[OutboxRow], decide: Callable[[OutboxRow], Change]
) -> int:
    """Write what becomes of rows; return how many entries of history that made."""
    changes = [(row, decide(row)) for row in chosen]
    _write(connection, changes)
    return sum(change.entry is not None for _, change in changes)


def _write(connection: Connection, changes: Sequence[tuple[OutboxRow, Change]]) -> None:
    """Write what becomes of rows, each of them once: one statement of a kind for all that it concerns."""
    saved: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    moved: dict[tuple[str, str], list[bool]] = {}
    stand = Counter[tuple[str, str]]()
    counted: list[Counted] = []
    for row, change in changes:
        after = row.after(change)
        columns = rows.changed_columns(change)
        if row.in_order != after.in_order:
            # Whoever has left the order waits for nobody; who joins it may have to.
            columns["front"] = int(after.waits and not after.in_order)
            moved.setdefault(_queue(row.delivery), []).append(after.in_order)
        if columns:
            values = (*columns.values(), row.delivery.key)
            saved.setdefault(tuple(columns), []).append(values)
        if row.counted != after.counted:
            _count(stand, row, -1)
            _count(stand, after, 1)
        counted += of_change(row, change)
    entries = [rows.entry_row(change.entry) for _, change in changes if change.entry is not None]
    connection.executemany(queries.ADD_HISTORY, entries)
    for names, each in saved.items():
        connection.executemany(queries.save_row(names), each)
    for (receiver, topic), joins in moved.items():
        queue = {"receiver": receiver, "topic": topic}
        connection.execute(queries.MOVE_UP, queue)
        if any(joins):
            connection.execute(queries.STEP_BACK, {**queue, "most": len(joins)})
    _save_counts(connection, stand)
    for _, change in changes:
        for delivery in change.then:
            _insert(connection, delivery)
    _tally(connection, counted)


def _tally(connection: Connection, counted: Iterable[Counted]) -> None:
    """Count what happened, one statement for all of it."""
    tallies = Counter(counted)
    if tallies:
        rows_ = [(*one, number) for one, number in tallies.items()]
        connection.executemany(queries.TALLY, rows_)


def _add_delivery(connection: Connection, delivery: Delivery) -> None:
    """Add a delivery unless a running timer keeps it away."""
    if delivery.timer is not None:
        timers = _timers(connection, delivery.event.source, delivery.event.subject)
        if any(row.keeps_away(delivery) for row in timers):
            return
    _insert(connection, delivery)


def _insert(connection: Connection, delivery: Delivery) -> None:
    """Add a delivery once, at the outbox's end."""
    try:
        added = connection.execute(queries.ADD_DELIVERY, rows.delivery_row(delivery)).rowcount
    except sqlite3.IntegrityError as error:  # its event is not in the log
        reason = f"delivery {delivery.key} carries an event that is not recorded"
        raise StoreError(reason) from error
    if added:
        stand = Counter[tuple[str, str]]()
        _count(stand, OutboxRow(delivery), 1)
        _save_counts(connection, stand)


def _count(stand: Counter[tuple[str, str]], row: OutboxRow, by: int) -> None:
    if row.counted is not None:
        stand[row.delivery.receiver, row.counted] += by


def _save_counts(connection: Connection, stand: Counter[tuple[str, str]]) -> None:
    changed = [(*what, by) for what, by in stand.items() if by]
    connection.executemany(queries.COUNT, changed)


def _queue(delivery: Delivery) -> tuple[str, str]:
    """Return receiver and topic of the order which a delivery is part of."""
    return delivery.receiver, rows.topic(delivery.event.source, delivery.event.subject)


def claim(
    connection: Connection,
    receiver: str,
    now: datetime,
    lease: timedelta,
    limit: int,
    together: bool,
) -> Sequence[Delivery]:
    """Claim what is eligible."""
    parameters = {"receiver": receiver, "now": rows.micros(now)}
    fronts = connection.execute(queries.FRONTS, parameters)
    chosen = (
        sorted(itertools.islice(_in_turn(connection, fronts, parameters), max(limit, 0)))
        if together
        else [seq for _, seq, _ in itertools.islice(fronts, max(limit, 0))]
    )
    fronts.close()
    return _take(connection, chosen, now + lease)


def _in_turn(
    connection: Connection, fronts: Iterator[tuple[int, int, str]], parameters: dict[str, Any]
) -> Iterator[int]:
    """Yield the rows of all conversations, longest due first, none before an earlier one of its own:
    what is first of a conversation comes with what follows it, as far as that is due.
    """
    heap: list[tuple[int, int, str]] = []
    front = next(fronts, None)
    while heap or front is not None:
        if front is not None and (not heap or front < heap[0]):
            heapq.heappush(heap, front)
            front = next(fronts, None)
            continue
        since, seq, topic = heapq.heappop(heap)
        yield seq
        if topic:
            behind = {**parameters, "topic": topic, "seq": seq}
            for due, later in connection.execute(queries.NEXT, behind).fetchall():
                if due <= parameters["now"]:
                    heapq.heappush(heap, (max(since, due), later, topic))


def collect(
    connection: Connection, receiver: str, now: datetime, lease: timedelta
) -> Sequence[Delivery]:
    """Claim what makes the next digest."""
    parameters = {"receiver": receiver, "now": rows.micros(now), "limit": DIGEST_LIMIT}
    chosen = []
    for batch, message in connection.execute(queries.NEXT_DIGEST, parameters).fetchall():
        digest = {**parameters, "batch": batch, "message": message}
        chosen += [seq for (seq,) in connection.execute(queries.COLLECTED, digest)]
    return _take(connection, chosen, now + lease, digest=True)


def _take(
    connection: Connection, chosen: Sequence[int], until: datetime, *, digest: bool = False
) -> Sequence[Delivery]:
    by_seq = {
        seq: rows.read_row(columns)
        for seq, *columns in connection.execute(queries.TAKEN, (json.dumps(list(chosen)),))
    }
    found = [by_seq[seq] for seq in chosen]
    message = digest_id(found) if digest and found else None
    changes = [(row, row.claimed(until, message)) for row in found]
    _write(connection, changes)
    return [row.after(change).delivery for row, change in changes]


def settle(
    connection: Connection,
    settlements: Sequence[Settlement],
    receiver: ReceiverState | None,
    change: Commit | None,
    marks: Sequence[ThrottleMark],
) -> Sequence[Recorded]:
    """Record outcomes, the receiver's state and what follows."""
    for some in _apart(settlements):
        found = {row.delivery.key: row for row in _rows_named(connection, list(some))}
        settled = [
            (found[key], decided, outcome)
            for key, outcome in some.items()
            if key in found and (decided := found[key].settled(outcome)) is not None
        ]
        _write(connection, [(row, decided) for row, decided, _ in settled])
        for _, _, outcome in settled:
            _count_suppressed(connection, outcome)
    connection.executemany(queries.SAVE_MARK, map(rows.mark_row, marks))
    if receiver is not None:
        save_receiver(connection, receiver)
    return commit(connection, change) if change is not None else []


def _apart(settlements: Sequence[Settlement]) -> Iterator[dict[str, Settlement]]:
    """Yield settlements by key, in their order: a second one of a row goes by what became of it."""
    some: dict[str, Settlement] = {}
    for outcome in settlements:
        if outcome.key in some:
            yield some
            some = {}
        some[outcome.key] = outcome
    yield some


def _count_suppressed(connection: Connection, outcome: Settlement) -> None:
    if outcome.silence and outcome.settled is not None:
        parameters = (outcome.silence, rows.micros(outcome.settled))
        connection.execute(queries.COUNT_SUPPRESSED, parameters)


def acknowledge(
    connection: Connection, source: str, conversation: str, note: str, action: Action
) -> int:
    """End the timers about a conversation and note who has taken it; return how many waited."""
    timers = [row for row in _timers(connection, source, conversation) if row.runs]
    by, at = action.by, rows.micros(action.at)
    connection.execute(queries.ACKNOWLEDGE, (source, conversation, at, by.who, by.via))
    act(connection, action)
    return _change(connection, timers, lambda row: row.finished(note, action.at, over=False))


def take_back(connection: Connection, source: str, conversation: str, action: Action) -> bool:
    """Remove an acknowledgement; return False if there is none."""
    asked = source, conversation
    done = connection.execute(queries.DROP_ACKNOWLEDGEMENT, asked).rowcount == 1
    act(connection, action if done else None)
    return done


def act(connection: Connection, action: Action | None) -> None:
    """Record what a person did, if one did it."""
    if action is not None:
        connection.execute(queries.ADD_ACTION, rows.action_row(action))


def save_receiver(
    connection: Connection, state: ReceiverState, action: Action | None = None
) -> None:
    """Save a receiver's state."""
    act(connection, action)
    document = rows.RECEIVER.adapter.dump_json(state).decode()
    connection.execute(queries.SAVE_RECEIVER, (state.name, document))


def fatal(connection: Connection, key: str) -> None:
    """Count an attempt in which the process died while it wrote the message."""
    _change(connection, _rows_named(connection, [key]), OutboxRow.fatal)


def begin(connection: Connection, keys: Collection[str]) -> None:
    """Note that messages are about to leave."""
    _change(connection, _rows_named(connection, keys), OutboxRow.begun)


def renew(connection: Connection, receiver: str, until: datetime) -> None:
    """Let all leases of a receiver end then."""
    leased = _read(connection, queries.LEASED_BY, (receiver,))
    _change(connection, leased, lambda row: row.renewed(until))


def unclaim(connection: Connection, receiver: str | None) -> None:
    """End all leases, or those of one receiver."""
    leased = (
        _read(connection, queries.LEASED)
        if receiver is None
        else _read(connection, queries.LEASED_BY, (receiver,))
    )
    _change(connection, leased, OutboxRow.released)


def retry_dead(
    connection: Connection, chosen: Sequence[int], now: datetime, action: Action | None
) -> int:
    """Make these rows pending again as far as they are dead; return how many were."""
    return _retry(connection, repeated(_rows_of(connection, chosen), None, now), now, action)


def retry(
    connection: Connection, ids: Collection[str], now: datetime, action: Action | None
) -> int:
    """Make deliveries with these names pending again; return how many."""
    found = _read(connection, queries.NAMED, {"ids": rows.json_list(ids)})
    return _retry(connection, repeated(found, ids, now), now, action)


def _retry(
    connection: Connection, found: Sequence[OutboxRow], now: datetime, action: Action | None
) -> int:
    changed = _change(connection, found, lambda row: row.retried(now))
    if changed:
        act(connection, action)
    return changed


def retire_unconfigured(
    connection: Connection,
    chosen: Sequence[int],
    receivers: frozenset[str],
    rules: frozenset[str],
    sources: frozenset[str],
    now: datetime,
) -> int:
    """Retire those of these rows that belong to what is no longer configured."""
    return _change(
        connection,
        _rows_of(connection, chosen),
        lambda row: row.reconfigured(receivers, rules, sources, now),
    )


def shift_clock(connection: Connection, by: timedelta, after: datetime) -> None:
    """Move due times and leases along with the clock."""
    later = connection.execute(queries.LATER, {"after": rows.micros(after)})
    found = [seq for (seq,) in later]
    for start in range(0, len(found), BATCH):
        chosen = _rows_of(connection, found[start : start + BATCH])
        _change(connection, chosen, lambda row: row.shifted(by, after))


def prune_deliveries(
    connection: Connection, chosen: Sequence[int], limits: Mapping[str, int]
) -> int:
    """Remove those of these deliveries that are old and settled; return how many were."""
    parameters = {**limits, "chosen": json.dumps(chosen)}
    gone = connection.execute(queries.PRUNE_DELIVERIES, parameters).fetchall()
    dead = Counter(receiver for receiver, state in gone if state == "dead")
    for receiver, number in dead.items():
        connection.execute(queries.COUNT, (receiver, "dead", -number))
    return len(gone)


def prune_events(connection: Connection, chosen: Sequence[int]) -> int:
    """Remove those of these events that no delivery carries; return how many were."""
    return connection.execute(queries.PRUNE_EVENTS, (json.dumps(chosen),)).rowcount


def prune_marks(connection: Connection, before: datetime) -> None:
    """Remove throttle marks and silences that ended before then."""
    connection.execute(queries.PRUNE_MARKS, (rows.micros(before),))
    connection.execute(queries.PRUNE_SILENCES, (rows.micros(before),))


def prune_tallies(connection: Connection, before: datetime) -> None:
    """Remove the tallies of earlier hours, and what people did before then."""
    connection.execute(queries.PRUNE_TALLIES, (hour_of(before),))
    connection.execute(queries.PRUNE_ACTIONS, (rows.micros(before),))
    connection.execute(queries.PRUNE_ACKNOWLEDGEMENTS, (rows.micros(before),))


def forget_gone(connection: Connection, before: datetime, most: int) -> int:
    """Forget up to `most` conversations that were removed before then; return how many were."""
    from watcher.pipeline.forgetting import nothing_but_numbers  # readers start without the core

    gone = connection.execute(queries.LONG_GONE, (rows.micros(before), most)).fetchall()
    for source, *columns in gone:
        bare = nothing_but_numbers(rows.read_snapshot(columns)).conversation
        document = CONVERSATION.adapter.dump_json(bare)
        values = {"conversation": pack(document), "size": len(document)}
        connection.execute(queries.BARE, {"source": source, "id": bare.id, **values})
    return len(gone)


def key(connection: Connection, fresh: bytes) -> bytes:
    """Return the installation's key: `fresh` if it has none yet."""
    connection.execute(queries.ADD_INSTALLATION, (KEY, fresh))
    ((found,),) = connection.execute(queries.INSTALLATION, (KEY,)).fetchall()
    return bytes(found)


LINK_KEY = 32
"""Bytes of a key that signs links."""


def parted(keys: bytes) -> tuple[bytes, ...]:
    """Return the keys of links, which are stored one behind the other."""
    return tuple(keys[start : start + LINK_KEY] for start in range(0, len(keys), LINK_KEY))


def link_keys(connection: Connection, fresh: bytes) -> tuple[bytes, ...]:
    """Return the keys of links: `fresh` alone if there are none yet."""
    connection.execute(queries.ADD_INSTALLATION, (LINK_KEYS, fresh))
    ((found,),) = connection.execute(queries.INSTALLATION, (LINK_KEYS,)).fetchall()
    return parted(found)


def renew_link_key(connection: Connection, fresh: bytes, keep: bool, action: Action) -> None:
    """Put a key before the present one, or (without `keep`) in the place of all."""
    present = link_keys(connection, fresh) if keep else ()
    connection.execute(queries.DROP_INSTALLATION, (LINK_KEYS,))
    connection.execute(queries.ADD_INSTALLATION, (LINK_KEYS, fresh + b"".join(present[:1])))
    act(connection, action)


def decide_texts(connection: Connection, keep: bool) -> None:
    """Note whether what people write is kept."""
    if keep:
        connection.execute(queries.DROP_INSTALLATION, (NO_TEXTS,))
    else:
        connection.execute(queries.ADD_INSTALLATION, (NO_TEXTS, b""))


AttributesOf = Mapping[str, Attributes]
"""The attributes that hold words, by source."""


def withhold(
    connection: Connection, table: str, after: int, key_: bytes, attributes: AttributesOf
) -> int | None:
    """Overwrite the words of some rows of a table that follow a place; return the next place, None at
    the end.
    """
    read, overwrite = _WITHHOLDING[table]
    found = connection.execute(read, (after, BATCH)).fetchall()
    for row in found:
        overwrite(connection, row, key_, attributes)
    return found[-1][0] if found else None


def _snapshot_without(
    connection: Connection, row: Sequence[Any], key_: bytes, attributes: AttributesOf
) -> None:
    rowid, source, document, prints = row
    known = CONVERSATION.adapter.validate_json(unpack(document))
    bare, kept = snapshot_without(known, rows.read_prints(prints), key_, attributes.get(source, {}))
    if bare != known:
        text = CONVERSATION.adapter.dump_json(bare)
        values = pack(text), len(text), rows.prints_column(kept)
        connection.execute(queries.SAVE_WORDS_OF_SNAPSHOT, (*values, rowid))


def _event_without(
    connection: Connection, row: Sequence[Any], _key: bytes, attributes: AttributesOf
) -> None:
    seq, source, body, verdicts = row
    plain = json.loads(body)
    bare = plain_without(plain, attributes.get(source, {}))
    said = rows.read_verdicts(verdicts) if verdicts is not None else ()
    left = verdicts_without(said)
    if bare is not plain or left != said:
        text = json.dumps(bare, separators=(",", ":"), ensure_ascii=False)
        packed = rows.pack_verdicts(left) if left else None
        connection.execute(queries.SAVE_WORDS_OF_EVENT, (text, packed, seq))


def _delivery_without(
    connection: Connection, row: Sequence[Any], _key: bytes, attributes: AttributesOf
) -> None:
    seq, source, ending = row
    plain = json.loads(ending) if ending else {}
    if (told := plain.get("conversation")) is not None:
        bare, gone = conversation_without(told, attributes.get(source, {}))
        if gone:
            text = json.dumps({**plain, "conversation": bare}, ensure_ascii=False)
            connection.execute(queries.SAVE_WORDS_OF_DELIVERY, (text, seq))


def _history_without(
    connection: Connection, row: Sequence[Any], _key: bytes, _attributes: AttributesOf
) -> None:
    # A receiver may have answered with what was sent.
    if row[1]:
        connection.execute(queries.SAVE_WORDS_OF_HISTORY, (row[0],))


_WITHHOLDING: Mapping[str, tuple[str, Callable[..., None]]] = {
    "snapshots": (queries.WORDS_OF_SNAPSHOTS, _snapshot_without),
    "events": (queries.WORDS_OF_EVENTS, _event_without),
    "deliveries": (queries.WORDS_OF_DELIVERIES, _delivery_without),
    "history": (queries.WORDS_OF_HISTORY, _history_without),
}
HOLDING_TEXTS = tuple(_WITHHOLDING)
"""The tables that hold what people write."""


def shrink(connection: Connection, most: int, spare: int) -> bool:
    """Return up to `most` free pages to the disk, and keep `spare`; return whether there are more."""
    ((free,),) = connection.execute("PRAGMA freelist_count").fetchall()
    ((kind,),) = connection.execute("PRAGMA auto_vacuum").fetchall()
    if kind != INCREMENTAL or free <= spare:
        return False
    for _ in range(min(most, free - spare)):  # Python steps such a statement just once
        connection.execute("PRAGMA incremental_vacuum(1)")
    return int(free) - most > spare


def add_silence(
    connection: Connection, silence: StoredSilence, action: Action | None = None
) -> None:
    """Save a silence."""
    act(connection, action)
    span = rows.micros(silence.starts), rows.micros(silence.ends)
    words = (silence.id, silence.match, silence.reason)
    connection.execute(queries.ADD_SILENCE, (*words, *span, silence.author))


def expire_silence(
    connection: Connection, silence: str, now: datetime, action: Action | None = None
) -> bool:
    """End a silence; return False if it is over or unknown."""
    parameters = {"id": silence, "now": rows.micros(now)}
    done = connection.execute(queries.EXPIRE_SILENCE, parameters).rowcount == 1
    act(connection, action if done else None)
    return done
