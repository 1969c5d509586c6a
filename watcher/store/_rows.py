"""Values to rows and back: the only place that knows how a snapshot or a delivery is written.

Law: pure. Times are integer microseconds since 1970 in UTC, documents JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from watcher.model import CONVERSATION, Delivery, Event, Snapshot
from watcher.records import ReceiverState, SourceState

__all__ = [
    "RECEIVER",
    "SOURCE",
    "delivery_row",
    "event_row",
    "from_micros",
    "json_list",
    "like",
    "maybe_micros",
    "micros",
    "read_delivery",
    "read_snapshot",
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
    }


def read_delivery(row: Sequence[Any]) -> Delivery:
    """Read the columns of `_queries.DELIVERY`."""
    id_, receiver, rule, due, created, attempt, state, timer, note, settled, body = row
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
    )
