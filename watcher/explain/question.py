"""The question "why was I not told?", what is recorded about it, and its answers.

Rules: values only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

from watcher.explain.story import Story
from watcher.explain.waits import WaitReason
from watcher.model import Delivery, Event, Snapshot, rfc3339
from watcher.records import SourceState, StoredSilence
from watcher.rules import Rule, Silence
from watcher.vocabulary import moment

__all__ = [
    "Configured", "Facts", "Finding", "FindingKind", "Question", "Watched", "about_event", "plain_answer",
]  # fmt: skip

FindingKind = Literal[
    "told",
    WaitReason,
    "throttled", "silenced", "dropped", "redirected", "acknowledged", "ended", "retired", "dead",
    "running", "condition", "condition-failed", "stopped", "itself", "rule-newer", "not-named",
    "results-gone", "other-type", "no-rule", "no-receiver",
    "unknown-source", "pruned", "before-baseline", "never-shown", "unknown-conversation", "removed",
    "network", "failing", "held", "disk", "not-looked", "doubt", "unchanged", "between-looks",
    "elsewhere",
]  # fmt: skip
"""Why somebody was not told, or that he was; what a message still waits for is a reason of its own."""


@dataclass(frozen=True, slots=True)
class Question:
    """Why a receiver was not told of a conversation, in a time; or of one event."""

    source: str

    conversation: str
    """Its id; empty for an event about no conversation."""

    receiver: str
    since: datetime
    until: datetime
    """Before which it happened."""

    type: str = ""
    """The type of the event that was expected, empty for any."""

    event: str = ""
    """The id of the one event that is meant, empty where it is not known."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A source as it is configured."""

    provider: str
    never: frozenset[str]
    """The fields that it can never show."""

    poll_every: timedelta
    sweep_every: timedelta


@dataclass(frozen=True, slots=True)
class Configured:
    """What of a configuration decides who is told."""

    rules: Sequence[Rule] = ()
    silences: tuple[Silence, ...] = ()
    receivers: Sequence[str] = ()
    sources: Mapping[str, Watched] = field(default_factory=dict)
    timezone: ZoneInfo | None = None
    """The zone of times without one of their own, None where none is configured."""

    events_kept: timedelta = timedelta(days=30)
    places: Mapping[tuple[Literal["rule", "silence"], str], str] = field(default_factory=dict)
    """File and line of each rule and silence."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is recorded, as far as a question is about it."""

    state: SourceState | None
    snapshot: Snapshot | None
    """What is known of the conversation."""

    stories: Sequence[Story]
    """The events about the conversation that may have happened in the time asked for, oldest first."""

    before: Event | None
    """The last event about the conversation before these."""

    after: Event | None
    """The first event about it that surely happened later."""

    ours: Sequence[Event]
    """The events about the source, the network and the disk, oldest first."""

    timers: Sequence[Delivery]
    """What rules with `for` and `repeat` made for the receiver of earlier events about it."""

    silences: Sequence[StoredSilence]
    """Those that people added, also those that are over."""

    now: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer."""

    kind: FindingKind

    text: str
    """In words, one line."""

    by: str = ""
    """What decided it: the name of a rule, a silence, a receiver or a source."""

    place: str = ""
    """File and line where that stands, where it is known."""

    remedy: str = ""
    """What to change, or to do; empty where there is nothing to do."""

    at: datetime | None = None
    """When it was decided, or when what it says is over."""

    event: str = ""
    """The id of the event that it is about."""

    delivery: str = ""
    """The key of the delivery that it is about."""

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that commands and the API show."""
        return {
            "kind": self.kind,
            "text": self.text,
            "by": self.by or None,
            "place": self.place or None,
            "remedy": self.remedy or None,
            "at": rfc3339(self.at) if self.at is not None else None,
            "event": self.event or None,
            "delivery": self.delivery or None,
        }


def about_event(event: Event, receiver: str) -> Question:
    """Return the question why a receiver was not told of one event."""
    began, id_ = moment(event).at, event.id
    return Question(event.source, event.subject or "", receiver, began, event.time, event=id_)


def plain_answer(question: Question, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return a question with its findings as commands and the API show them."""
    return {
        "source": question.source,
        "conversation": question.conversation or None,
        "receiver": question.receiver,
        "since": rfc3339(question.since),
        "until": rfc3339(question.until),
        "type": question.type or None,
        "event": question.event or None,
        "findings": [one.to_plain() for one in findings],
    }
