"""Values to rows and back: the only place that knows how a snapshot or a delivery is written.

Law: pure. Times are integer microseconds since 1970 in UTC, documents JSON text.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from watcher.model import CONVERSATION, Delivery, Event, Snapshot
from watcher.records import (
    HistoryEntry,
    ReceiverState,
    RuleResult,
    SourceState,
    StoredSilence,
    ThrottleMark,
)

__all__ = [
    "RECEIVER",
    "SOURCE",
    "delivery_row",
    "entry_row",
    "event_row",
    "from_micros",
    "json_list",
    "like",
    "mark_row",
    "maybe_micros",
    "micros",
    "pack_verdicts",
    "read_delivery",
    "read_entry",
    "read_mark",
    "read_silence",
    "read_snapshot",
    "read_verdicts",
    "snapshot_row",
    "topic",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

SOURCE: TypeAdapter[SourceState] = TypeAdapter(SourceState)
RECEIVER: TypeAdapter[ReceiverState] = TypeAdapter(ReceiverState)


def micros(at: datetime) -> int:
    """Write an aware time as whole microseconds since 1970, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def maybe_micros(at: datetime | None) -> int | None:
    """Write a time that may be missing."""
    return None if at is None else micros(at)


def from_micros(value: int) -> datetime:
    """Read back what `micros` gave."""
    return _EPOCH + timedelta(microseconds=value)


def json_list(values: Collection[str]) -> str:
    """Write strings as a JSON list, sorted: the parameter of `json_each`."""
    return json.dumps(sorted(values), separators=(",", ":"))


def like(glob: str) -> str:
    r"""Translate a glob, in which only `*` has a meaning, to a pattern for `LIKE … ESCAPE '\'`."""
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def topic(source: str, subject: str | None) -> str:
    """Name a conversation of a source, or (None) the source itself. Sources have no slash."""
    return source if subject is None else f"{source}/{subject}"


def snapshot_row(source: str, snapshot: Snapshot) -> dict[str, Any]:
    """Give the named parameters that write a snapshot."""
    conversation = snapshot.conversation
    return {
        "source": source,
        "id": conversation.id,
        "revision": snapshot.revision,
        "present": int(snapshot.present),
        "unread": int(conversation.unread),
        "unassigned": int(conversation.assignee is None),
        "observed": micros(snapshot.observed),
        "message_id": snapshot.message_id,
        "seen": json_list(snapshot.seen),
        "counts": json.dumps(dict(snapshot.counts)),
        "conversation": CONVERSATION.dump_json(conversation).decode(),
    }


def read_snapshot(row: Sequence[Any]) -> Snapshot:
    """Read the columns of `_queries.SNAPSHOT`."""
    revision, present, observed, message_id, seen, counts, conversation = row
    return Snapshot(
        conversation=CONVERSATION.validate_json(conversation),
        revision=revision,
        seen=frozenset(json.loads(seen)),
        counts=json.loads(counts),
        observed=from_micros(observed),
        message_id=message_id,
        present=bool(present),
    )


def event_row(event: Event) -> dict[str, Any]:
    """Give the named parameters that write an event."""
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": micros(event.time),
        "body": event.body().decode(),
    }


def delivery_row(delivery: Delivery) -> Mapping[str, Any]:
    """Give the named parameters that write a delivery; its event is kept by reference."""
    event = delivery.event
    return {
        "key": delivery.key,
        "id": delivery.id,
        "event": event.id,
        "source": event.source,
        "topic": topic(event.source, event.subject),
        "receiver": delivery.receiver,
        "rule": delivery.rule,
        "timer": delivery.timer,
        "state": delivery.state,
        "attempt": delivery.attempt,
        "due": micros(delivery.due),
        "created": micros(delivery.created),
        "settled": maybe_micros(delivery.settled),
        "note": delivery.note,
        "kind": delivery.kind,
        "number": delivery.number,
        "batch": delivery.batch,
        "message": delivery.message,
        "candidates": json.dumps(delivery.candidates),
        "held": int(delivery.held),
        "redirected": delivery.redirected,
        "reached": json.dumps(delivery.reached),
    }


def read_delivery(row: Sequence[Any]) -> Delivery:
    """Read the columns of `_queries.DELIVERY`."""
    (
        id_, receiver, rule, due, created, attempt, state, timer, note, settled,
        kind, number, batch, message, candidates, held, redirected, reached, body,
    ) = row  # fmt: skip
    return Delivery(
        id=id_,
        event=Event.from_body(body),
        receiver=receiver,
        rule=rule,
        due=from_micros(due),
        created=from_micros(created),
        attempt=attempt,
        state=state,
        timer=timer,
        note=note,
        settled=None if settled is None else from_micros(settled),
        kind=kind,
        number=number,
        candidates=tuple(json.loads(candidates)),
        batch=batch,
        message=message,
        held=bool(held),
        redirected=redirected,
        reached=tuple(json.loads(reached)),
    )


def entry_row(entry: HistoryEntry) -> dict[str, Any]:
    """Give the named parameters that write a line of the history."""
    return {
        "key": entry.key,
        "at": maybe_micros(entry.at),
        "kind": entry.kind,
        "attempt": entry.attempt,
        "note": entry.note,
        "status": entry.status,
        "excerpt": entry.excerpt,
        "seconds": entry.seconds,
    }


def read_entry(row: Sequence[Any]) -> HistoryEntry:
    """Read the columns of `_note_queries.ENTRY`."""
    key, at, kind, attempt, note, status, excerpt, seconds = row
    when = None if at is None else from_micros(at)
    return HistoryEntry(key, when, kind, note, attempt, status, excerpt, seconds)


def mark_row(mark: ThrottleMark) -> tuple[Any, ...]:
    """Give the parameters that write a throttle mark."""
    until = micros(mark.until)
    return mark.receiver, mark.rule, mark.by, micros(mark.at), until, mark.delivery


def read_mark(row: Sequence[Any]) -> ThrottleMark:
    """Read the columns of `_note_queries.MARK`."""
    receiver, rule, by, at, until, delivery = row
    return ThrottleMark(rule, receiver, by, from_micros(at), from_micros(until), delivery)


def read_silence(row: Sequence[Any]) -> StoredSilence:
    """Read the columns of `_note_queries.SILENCE`."""
    id_, match, reason, starts, ends = row
    return StoredSilence(id_, match, reason, from_micros(starts), from_micros(ends))


def pack_verdicts(said: Sequence[RuleResult]) -> bytes:
    """Write verdicts: the same few sentences for every event, so that they deflate well."""
    plain = [[one.rule, int(one.matched), one.reason] for one in said]
    return zlib.compress(json.dumps(plain, separators=(",", ":"), ensure_ascii=False).encode(), 1)


def read_verdicts(packed: bytes) -> tuple[RuleResult, ...]:
    """Read back what `pack_verdicts` gave."""
    plain = json.loads(zlib.decompress(packed))
    return tuple(RuleResult(rule, bool(matched), reason) for rule, matched, reason in plain)
