"""Values to rows and back: the only place that knows how a snapshot or a delivery is written.

Rules: pure. Times are integer microseconds since 1970 in UTC, documents JSON text.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from watcher.json_text import Stored
from watcher.model import (
    CONVERSATION,
    NO_EVIDENCE,
    Contact,
    Delivery,
    Doubt,
    Ending,
    Event,
    Evidence,
    Snapshot,
)
from watcher.records import (
    Acknowledgement,
    Action,
    Actor,
    Done,
    HistoryEntry,
    ReceiverState,
    RuleResult,
    SourceState,
    StoredSilence,
    ThrottleMark,
    contact_words,
)
from watcher.store.outbox import Change, OutboxRow
from watcher.store.sqlite.packing import pack, unpack

__all__ = [
    "RECEIVER",
    "SOURCE",
    "action_row",
    "changed_columns",
    "delivery_row",
    "entry_row",
    "event_row",
    "from_micros",
    "json_list",
    "like",
    "mark_row",
    "maybe_from_micros",
    "maybe_micros",
    "micros",
    "pack_verdicts",
    "prints_column",
    "read_acknowledgement",
    "read_delivery",
    "read_done",
    "read_doubt",
    "read_entry",
    "read_facts",
    "read_mark",
    "read_prints",
    "read_row",
    "read_silence",
    "read_snapshot",
    "read_verdicts",
    "snapshot_row",
    "topic",
    "waiting_of_document",
    "words_of",
    "words_of_document",
]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

SOURCE = Stored(SourceState)
_ENDING = Stored(Ending)
_EVIDENCE = Stored(Evidence)
_DOUBT = Stored(Doubt)
RECEIVER = Stored(ReceiverState)


def micros(at: datetime) -> int:
    """Write an aware time as whole microseconds since 1970, exactly."""
    return (at - _EPOCH) // _MICROSECOND


def maybe_micros(at: datetime | None) -> int | None:
    """Write a time that may be missing."""
    return None if at is None else micros(at)


def from_micros(value: int) -> datetime:
    """Read a time that `micros` wrote."""
    return _EPOCH + timedelta(microseconds=value)


def json_list(values: Collection[str]) -> str:
    """Write strings as a JSON list, sorted: the parameter of `json_each`."""
    return json.dumps(sorted(values), separators=(",", ":"))


@lru_cache(maxsize=1024)
def _seen(paths: frozenset[str]) -> str:
    # The rows of a source share a handful of these sets.
    return json_list(paths)


@lru_cache(maxsize=1024)
def _read_seen(text: str) -> frozenset[str]:
    return frozenset(json.loads(text))


def maybe_from_micros(value: int | None) -> datetime | None:
    """Read a time that may be missing."""
    return None if value is None else from_micros(value)


def like(glob: str) -> str:
    r"""Translate a glob, in which only `*` has a meaning, to a pattern for `LIKE … ESCAPE '\'`."""
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%")


def topic(source: str, subject: str | None) -> str:
    """Return the name of a conversation of a source, or (None) of the source itself. The names of
    sources have no slash.
    """
    return source if subject is None else f"{source}/{subject}"


def snapshot_row(source: str, snapshot: Snapshot) -> dict[str, Any]:
    """Return the named parameters that write a snapshot."""
    conversation, evidence = snapshot.conversation, snapshot.evidence
    document = CONVERSATION.adapter.dump_json(conversation)
    return {
        "source": source,
        "id": conversation.id,
        "revision": snapshot.revision,
        "present": int(snapshot.present),
        "unread": int(conversation.unread),
        "unassigned": int(conversation.assignee is None),
        "observed": micros(snapshot.observed),
        "message_id": snapshot.message_id,
        "seen": _seen(snapshot.seen),
        "counts": json.dumps(dict(snapshot.counts)) if snapshot.counts else "{}",
        "conversation": pack(document),
        "size": len(document),
        "evidence": _evidence(evidence),
        "doubt": None
        if snapshot.doubt is None
        else _DOUBT.adapter.dump_json(snapshot.doubt).decode(),
        "prints": prints_column(snapshot.prints),
        "words": words_of(conversation.contact),
        "waiting": maybe_micros(conversation.waiting_since),
    }


def read_snapshot(columns: Sequence[Any]) -> Snapshot:
    """Read the columns of `queries.SNAPSHOT`."""
    (
        revision, present, observed, message_id, seen, counts, conversation, evidence, doubt, prints,
    ) = columns  # fmt: skip
    return Snapshot(
        conversation=CONVERSATION.adapter.validate_json(unpack(conversation)),
        revision=revision,
        seen=_read_seen(seen),
        counts=json.loads(counts),
        observed=from_micros(observed),
        message_id=message_id,
        evidence=NO_EVIDENCE if evidence is None else _EVIDENCE.adapter.validate_json(evidence),
        present=bool(present),
        doubt=None if doubt is None else read_doubt(doubt),
        prints=read_prints(prints),
    )


def _evidence(evidence: Evidence) -> str | None:
    if evidence == NO_EVIDENCE:
        return None
    return _EVIDENCE.adapter.dump_json(evidence, exclude_defaults=True).decode()


def words_of(contact: Contact) -> str | None:
    """Return what a conversation with this contact is found by, None for nothing."""
    return contact_words(contact.name, contact.email, contact.phone) or None


def words_of_document(document: str) -> str | None:
    """Return the same of a stored conversation."""
    return words_of(CONVERSATION.adapter.validate_json(document).contact)


def waiting_of_document(document: str) -> int | None:
    """Return since when somebody waits in a stored conversation."""
    return maybe_micros(CONVERSATION.adapter.validate_json(document).waiting_since)


def prints_column(prints: Mapping[str, str]) -> str | None:
    """Write the stand-ins of a snapshot."""
    return json.dumps(dict(prints)) if prints else None


def read_prints(text: str | None) -> Mapping[str, str]:
    """Read the stand-ins of a snapshot."""
    prints: Mapping[str, str] = {} if text is None else json.loads(text)
    return prints


def read_doubt(text: str) -> Doubt:
    """Read what a snapshot's row lost that is not believed yet."""
    return _DOUBT.adapter.validate_json(text)


def event_row(event: Event) -> dict[str, Any]:
    """Return the named parameters that write an event."""
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": micros(event.time),
        "body": event.body().decode(),
        "existing": int(event.existing),
    }


def delivery_row(delivery: Delivery) -> Mapping[str, Any]:
    """Return the named parameters that write a delivery; its event is kept by reference."""
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
        "uncertain": int(delivery.uncertain),
        "ending": _ending(delivery.ending),
        "refused": delivery.refused,
        "aside": int(delivery.aside),
        "cut": delivery.cut,
        "in_order": int(delivery.state == "pending" and delivery.ordered),
    }


def read_delivery(columns: Sequence[Any]) -> Delivery:
    """Read the columns of `queries.DELIVERY`."""
    return _delivery(columns[:-1], Event.from_body(columns[-1]))


def read_row(columns: Sequence[Any]) -> OutboxRow:
    """Read a row of the outbox: lease, `ended`, `over` and the columns of `queries.DELIVERY`."""
    lease, ended, over, *delivery = columns
    return OutboxRow(read_delivery(delivery), maybe_from_micros(lease), bool(ended), bool(over))


def read_facts(columns: Sequence[Any]) -> OutboxRow:
    """Read the columns of `queries.FACTS`. The event has no data: to decide what becomes of a row
    its body need not be parsed.
    """
    lease, ended, over, *delivery, id_, type_, source, subject, time = columns
    event = Event(id_, type_, source, subject, from_micros(time), {})
    known = _delivery(delivery, event)
    return OutboxRow(known, maybe_from_micros(lease), bool(ended), bool(over))


def _delivery(columns: Sequence[Any], event: Event) -> Delivery:
    (
        id_, receiver, rule, due, created, attempt, state, timer, note, settled,
        kind, number, batch, message, candidates, held, redirected, reached,
        uncertain, ending, refused, aside, cut,
    ) = columns  # fmt: skip
    return Delivery(
        id=id_,
        event=event,
        receiver=receiver,
        rule=rule,
        due=from_micros(due),
        created=from_micros(created),
        attempt=attempt,
        state=state,
        timer=timer,
        note=note,
        settled=maybe_from_micros(settled),
        kind=kind,
        number=number,
        candidates=_read_list(candidates),
        batch=batch,
        message=message,
        held=bool(held),
        redirected=redirected,
        reached=_read_list(reached),
        uncertain=bool(uncertain),
        ending=_ENDING.adapter.validate_json(ending) if ending else None,
        refused=refused,
        aside=bool(aside),
        cut=cut,
    )


def _ending(ending: Ending | None) -> str:
    return "" if ending is None else _ENDING.adapter.dump_json(ending).decode()


def _read_list(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(json.loads(text))


_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "due": micros,
    "settled": maybe_micros,
    "lease": maybe_micros,
    "ended": int,
    "over": int,
    "uncertain": int,
    "ending": _ending,
    "held": int,
    "aside": int,
    "reached": json.dumps,
}


def changed_columns(change: Change) -> dict[str, Any]:
    """Return the new values of a row's columns, by name."""
    return {
        name: write(value) if (write := _WRITERS.get(name)) is not None else value
        for name, value in change.values.items()
    }


def entry_row(entry: HistoryEntry) -> dict[str, Any]:
    """Return the named parameters that write a line of the history."""
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


def read_entry(columns: Sequence[Any]) -> HistoryEntry:
    """Read the columns of `queries.ENTRY`."""
    key, at, kind, attempt, note, status, excerpt, seconds = columns
    when = None if at is None else from_micros(at)
    return HistoryEntry(key, when, kind, note, attempt, status, excerpt, seconds)


def action_row(action: Action) -> tuple[Any, ...]:
    """Return the parameters that write an action."""
    by = action.by
    return micros(action.at), by.who, by.via, action.what, action.target, action.note


def read_done(columns: Sequence[Any]) -> Done:
    """Read a row of `queries.ACTIONS`."""
    seq, at, who, via, what, target, note = columns
    return Done(seq, Action(from_micros(at), Actor(who, via), what, target, note))


def read_acknowledgement(columns: Sequence[Any]) -> Acknowledgement:
    """Read a row of `queries.ACKNOWLEDGEMENTS`."""
    source, conversation, at, who, via = columns
    return Acknowledgement(source, conversation, from_micros(at), Actor(who, via))


def mark_row(mark: ThrottleMark) -> tuple[Any, ...]:
    """Return the parameters that write a throttle mark."""
    until = micros(mark.until)
    return mark.receiver, mark.rule, mark.by, micros(mark.at), until, mark.delivery


def read_mark(columns: Sequence[Any]) -> ThrottleMark:
    """Read the columns of `queries.MARK`."""
    receiver, rule, by, at, until, delivery = columns
    return ThrottleMark(rule, receiver, by, from_micros(at), from_micros(until), delivery)


def read_silence(columns: Sequence[Any]) -> StoredSilence:
    """Read the columns of `queries.SILENCE`."""
    id_, match, reason, starts, ends, author = columns
    return StoredSilence(id_, match, reason, from_micros(starts), from_micros(ends), author)


def pack_verdicts(results: Sequence[RuleResult]) -> bytes:
    """Write rule results compressed: the same few sentences recur in every event."""
    plain = [[one.rule, int(one.matched), one.reason] for one in results]
    return zlib.compress(json.dumps(plain, separators=(",", ":"), ensure_ascii=False).encode(), 1)


def read_verdicts(packed: bytes) -> tuple[RuleResult, ...]:
    """Read what `pack_verdicts` wrote."""
    plain = json.loads(zlib.decompress(packed))
    return tuple(RuleResult(rule, bool(matched), reason) for rule, matched, reason in plain)
