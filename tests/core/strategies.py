"""Hypothesis strategies for conversations and observations, and small builders for tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from watcher.model import (
    NO_EVIDENCE,
    Contact,
    Disposition,
    Evidence,
    Message,
    Observation,
    Reference,
)

T0 = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)

texts = st.sampled_from([".", "hi", "is it in stock?", "ok", "ünï © 漢字"])
ids = st.sampled_from([f"c{number}" for number in range(6)])
names = st.one_of(st.none(), st.sampled_from(["Ana", "Ben", "Maria Lopez"]))
times = st.integers(0, 500).map(lambda seconds: T0 + timedelta(seconds=seconds))
references = st.one_of(
    st.none(), st.builds(Reference, id=st.sampled_from(["u1", "u2"]), name=names)
)
messages = st.one_of(
    st.none(),
    st.builds(
        Message,
        text=texts,
        direction=st.sampled_from(["inbound", "outbound", "internal", None]),
        type=st.sampled_from(["sms", None]),
        at=times,
        automated=st.sampled_from([None, False, True]),
        attachments=st.sampled_from([(), ("image",)]),
    ),
)
maybe_times = st.one_of(st.none(), times)
evidence = st.builds(
    Evidence,
    waits_since=maybe_times,
    asked_at=maybe_times,
    unanswered=st.booleans(),
    answered_at=maybe_times,
    by_person=st.sampled_from([None, False, True]),
    unclear=st.booleans(),
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "unread": st.booleans(),
    "unread_count": st.one_of(st.none(), st.integers(0, 12)),
    "channel": st.sampled_from([None, "sms", "email"]),
    "assignee": references,
    "team": references,
    "archived": st.booleans(),
    "status": st.sampled_from([None, "open", "snoozed"]),
    "disposition": st.one_of(
        st.none(), st.builds(Disposition, id=st.just("d"), label=st.sampled_from(["won", "lost"]))
    ),
    "labels": st.sets(st.sampled_from(["vip", "spam"])).map(lambda s: tuple(sorted(s))),
    "priority": st.sampled_from([None, "high"]),
    "last_message": messages,
    "last_activity_at": times,
    "contact.name": names,
    "contact.email": st.sampled_from([None, "m@example.com"]),
    "attributes.starred": st.booleans(),
    "attributes.snoozed_until": st.sampled_from([None, "2026-11-21T00:00:00Z"]),
}


def observations(key: st.SearchStrategy[str] = ids) -> st.SearchStrategy[Observation]:
    """Rows that show any part of a conversation, dated so that the baseline rule does not hide them."""
    return st.builds(
        Observation,
        id=key,
        fields=st.fixed_dictionaries(
            {"created_at": st.just(T0 + timedelta(days=1))}, optional=FIELDS
        ),
        message_id=st.one_of(st.none(), st.sampled_from(["m1", "m2", "m3"])),
        evidence=st.one_of(st.just(NO_EVIDENCE), evidence),
    )


def row(
    key: str = "c1", message_id: str | None = None, clues: Evidence = NO_EVIDENCE, **fields: Any
) -> Observation:
    """A row; field names with `__` stand for a dot (`contact__name`)."""
    shown = {name.replace("__", "."): value for name, value in fields.items()}
    return Observation(key, shown, message_id=message_id, evidence=clues)


def contact(**fields: Any) -> Contact:
    """A contact."""
    return Contact(**fields)


def message(
    text: str, direction: Any = "inbound", at: int = 0, kind: str | None = "sms"
) -> Message:
    """A message `at` seconds after T0."""
    return Message(text, direction, kind, T0 + timedelta(seconds=at))
