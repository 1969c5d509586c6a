"""What the store keeps in addition to conversations and events, and what one transaction writes.

Rules: values only, like `watcher.model`. A `Commit` is everything that a page (or a decision)
changes; a `Settlement` is what an attempt to deliver came to. Both are written whole or not at
all. An `HttpReply` is what a POST came back with; it stands here because neither the transport nor
the notifiers may import the other.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from watcher.model import Conversation, Delivery, DeliveryState, Event, Snapshot, Standing, rfc3339

__all__ = [
    "DISK",
    "OVER",
    "OWN",
    "TOLD_FROM",
    "Acknowledgement",
    "Action",
    "ActionKind",
    "Actor",
    "Attention",
    "Backlog",
    "Commit",
    "ConversationPlace",
    "ConversationQuery",
    "DeliveryQuery",
    "Done",
    "End",
    "Entered",
    "EventQuery",
    "HistoryEntry",
    "HistoryKind",
    "Hold",
    "HttpReply",
    "IdKind",
    "Queue",
    "Reason",
    "ReceiverState",
    "Recorded",
    "RuleResult",
    "Settlement",
    "Skew",
    "SourceState",
    "Space",
    "StoredSilence",
    "Suppressed",
    "Tally",
    "TallyKind",
    "TallyQuery",
    "ThrottleMark",
    "Trouble",
    "again",
    "asked_words",
    "contact_words",
    "decided",
    "place_of",
]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a source, a receiver or the store is failing, for people: no secrets, one line each."""

    since: datetime
    reason: str
    remedy: str = ""

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that `status` and the control socket show."""
        return {"since": rfc3339(self.since), "reason": self.reason, "remedy": self.remedy}


@dataclass(frozen=True, slots=True)
class Hold:
    """An implausible sweep, put aside until the next complete sweep agrees or a person decides."""

    kind: Literal["absences", "arrivals", "hole"]
    """`absences`: known rows that the sweep lacked. `arrivals`: unknown rows that came all at once at a
    provider without creation times. `hole`: a page that always fails; the hold only reports that rows
    behind it are not watched.
    """

    since: datetime
    """When the sweep was held."""

    ids: tuple[str, ...]
    """The conversations concerned."""

    known: int
    """How many conversations were known then."""

    reason: str
    """What is implausible, in one line for people."""

    remedy: str
    """What a person can do about it."""

    def shown_as(self, since: datetime) -> bool:
        """Return whether it is the hold that was shown with this beginning, as `to_plain` writes it: a
        decision is about what a person has seen.
        """
        return rfc3339(self.since) == rfc3339(since)

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that `status` and the control socket show."""
        return {
            "kind": self.kind,
            "since": rfc3339(self.since),
            "ids": list(self.ids),
            "known": self.known,
            "reason": self.reason,
            "remedy": self.remedy,
        }


TOLD_FROM = timedelta(seconds=60)
"""From how much on a clock that is off is told to people."""


@dataclass(frozen=True, slots=True)
class Skew:
    """How far a provider's clock is from ours."""

    seconds: float
    """By how much it is ahead; negative where it is behind."""

    told_by: Literal["server", "date", "rows"]
    """What shows it."""

    @property
    def notable(self) -> bool:
        """Whether it is so much that people are told."""
        return abs(self.seconds) > TOLD_FROM.total_seconds()

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that `status` and the control socket show."""
        return {"seconds": round(self.seconds), "told_by": self.told_by}


DISK = "/disk"
"""The name of the state of the store's disk."""

OWN = frozenset({"", DISK})
"""The names of states that are the watcher's own: of its network, and of its disk."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """What must survive a restart about one source."""

    name: str
    """The configured name, or one of `OWN`."""

    provider: str
    """The provider's name."""

    account: str
    """The provider's account identity; another one starts a new baseline."""

    baselined: datetime | None = None
    """When the first complete sweep ended, None before that."""

    baseline_started: datetime | None = None
    """The latest time by the provider's own stamps that is surely not after that sweep's beginning."""

    baseline_top: int | None = None
    """The highest `Observation.number` that it showed, None where rows show none."""

    polled: datetime | None = None
    """When the last successful poll or sweep started, by our clock."""

    swept: datetime | None = None
    """When the last complete sweep started, by our clock."""

    newest: datetime | None = None
    """Up to when all activity has been seen, by the rows' own stamps."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """How many `source.*` events of each type there were; numbers their ids."""

    learned: Mapping[str, Any] = field(default_factory=dict)
    """Facts about the account that the provider asked to remember."""

    mapping: str = ""
    """Fingerprint of the `fields:` mapping; when it changes, mapped fields are taken over silently."""

    empty_sweeps: int = 0
    """How many first sweeps in a row were empty."""

    suspects: tuple[str, ...] = ()
    """Ids that the last complete sweep lacked and no look-up could decide."""

    held_suspects: tuple[str, ...] = ()
    """Those of the suspects that a hold was about."""

    arrivals: Literal["", "accept", "discard"] = ""
    """What a person decided about held arrivals, until the next complete sweep has carried it out."""

    failing: Trouble | None = None
    """Why the source fails, None while it works."""

    existing: tuple[str, ...] = ()
    """The rules with `existing` that have looked at what holds already."""

    hold: Hold | None = None
    """The sweep that is held, None if none is."""

    skew: Skew | None = None
    """How far the provider's clock is from ours, None where nothing tells."""


@dataclass(frozen=True, slots=True)
class ReceiverState:
    """What must survive a restart about one receiver."""

    name: str
    """The configured name."""

    target: str = ""
    """Fingerprint of where it points; when that changes, `off` and `failing` are forgotten."""

    failures: int = 0
    """Failed attempts in a row."""

    failing: Trouble | None = None
    """Why it fails, None while it works."""

    off: str = ""
    """Why nothing is sent to it (410 Gone); empty while it is on."""

    counts: Mapping[str, int] = field(default_factory=dict)
    """How many `receiver.*` events of each type there were; numbers their ids."""

    paused: datetime | None = None
    """Until when nothing is tried because everything failed; after that one delivery at a time probes,
    until one is accepted.
    """

    probes: int = 0
    """How many probes failed."""

    failed: tuple[str, ...] = ()
    """Which messages (ids) failed in a row; of many, two."""

    why: str = ""
    """What the last failed attempt came to."""

    refused: tuple[str, ...] = ()
    """Which messages were refused since one was taken; of many, two."""

    taken: datetime | None = None
    """When it last took a message."""

    works: datetime | None = None
    """While it counts as failing: since when it has taken messages without failing so again."""

    turned: datetime | None = None
    """When it last began to count as failing, or as working again."""

    @property
    def spell(self) -> int:
        """The number of its present spell, from 1: a new one begins when it fails or has recovered."""
        return 1 + self.counts.get("failing", 0) + self.counts.get("recovered", 0)

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that `status` and the control socket show."""
        return {
            "receiver": self.name,
            "off": self.off or None,
            "paused_until": rfc3339(self.paused) if self.paused else None,
            "failing": self.failing.to_plain() if self.failing else None,
        }


@dataclass(frozen=True, slots=True)
class RuleResult:
    """What one rule made of one event when it was recorded: matched or not, and what decided."""

    rule: str
    matched: bool
    reason: str


NAMED = 5
"""Deliveries that an action names; of more it has the number."""

Via = Literal["command", "api", "page", "link"]
"""By what way somebody acts."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, as far as that is known, and by what way."""

    who: str = ""
    via: Via = "command"


ActionKind = Literal[
    "acknowledge", "take back", "silence", "extend silence", "end silence", "send again",
    "accept hold", "discard hold", "poll", "sweep", "turn on", "renew links", "revoke links",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Action:
    """What a person did; written in the transaction that does it."""

    at: datetime
    by: Actor
    what: ActionKind
    target: str
    """What it was done to: a conversation (with its source), a silence, a source, a receiver, deliveries."""

    note: str = ""
    """What else is to be known, in one line: a reason, how many."""

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that lists show."""
        return {
            "at": rfc3339(self.at),
            "who": self.by.who or None,
            "via": self.by.via,
            "what": self.what,
            "target": self.target,
            "note": self.note,
        }


def again(ids: Collection[str] | None, by: Actor, at: datetime) -> Action:
    """Return the action of sending these deliveries (None: all dead ones) again."""
    if ids is None:
        return Action(at, by, "send again", "all dead deliveries")
    named = ", ".join(sorted(ids)[:NAMED])
    more = f" and {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return Action(at, by, "send again", f"{named}{more}")


def decided(source: str, by: Actor, at: datetime, *, accept: bool) -> Action:
    """Return the action of deciding about the held sweep of a source."""
    return Action(at, by, "accept hold" if accept else "discard hold", source)


@dataclass(frozen=True, slots=True)
class Done:
    """An action with its place among all (`seq` only grows)."""

    seq: int
    action: Action


OVER = (
    "conversation.unread", "conversation.waiting", "conversation.answered", "conversation.archived",
    "conversation.removed",
)  # fmt: skip
"""The events that end an acknowledgement: something new happened, or all is done."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """That somebody has taken a conversation, until something new happens in it (`OVER`)."""

    source: str
    conversation: str
    at: datetime
    by: Actor

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that lists show."""
        return {
            "source": self.source,
            "conversation": self.conversation,
            "at": rfc3339(self.at),
            "who": self.by.who or None,
            "via": self.by.via,
        }


@dataclass(frozen=True, slots=True)
class End:
    """An observed end of a state: timers of `rule` (None: of every rule) about this conversation
    (`subject` None: about the source itself) are over; what still waits is cancelled with `note`.
    """

    source: str
    subject: str | None
    rule: str | None = None
    note: str = ""

    types: frozenset[str] | None = None
    """Only timers that an event of one of these types began; None for all."""

    resolved: frozenset[str] = frozenset()
    """The rules that tell it to those whom they told of the state (`resolved`)."""

    conversation: Mapping[str, Any] | None = None
    """The conversation at the end, as plain JSON, for what they tell."""

    waited: int | None = None
    """How many seconds somebody waited, likewise."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Everything that one page, or one decision, changes: one transaction."""

    source: str
    """The source that it is about."""

    state: SourceState | None = None
    """The new state of the source, None if that is unchanged."""

    snapshots: tuple[Snapshot, ...] = ()
    """Each with its new revision. The stored revision must be exactly one lower (none for revision 1);
    otherwise nothing is written and Conflict is raised.
    """

    events: tuple[Event, ...] = ()
    """Events to record. One whose id is recorded already is skipped together with its deliveries: the
    change was reported before.
    """

    deliveries: tuple[Delivery, ...] = ()
    """Deliveries to add. One with `timer` is skipped while a timer of the same rule, receiver and type
    of event about the same conversation has not ended.
    """

    ends: tuple[End, ...] = ()
    """States that are over; applied before deliveries are added."""

    forget: bool = False
    """Whether to remove all snapshots of the source first, and cancel its timers: another account."""

    forget_fields: frozenset[str] = frozenset()
    """Leaf paths to remove from `seen` of every snapshot of the source first: mapped differently."""

    verdicts: Mapping[str, tuple[RuleResult, ...]] = field(default_factory=dict)
    """What each rule made of the events, by event id; kept as long as the events."""

    at: datetime | None = None
    """When it was decided, if neither events nor snapshots show that."""

    action: Action | None = None
    """The person's action that it carries out."""


HistoryKind = Literal[
    "attempt", "confirmed", "throttled", "silenced", "held", "dropped", "redirected", "cancelled",
    "retried", "buried",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One line of a delivery's history: what was done or decided about it, and why."""

    key: str
    """The delivery's key."""

    at: datetime | None
    """When, None if the time is not known."""

    kind: HistoryKind
    """What happened."""

    note: str
    """Why, in one line for people."""

    attempt: int = 0
    """The number of the attempt, 0 if none was made."""

    status: int | None = None
    """The HTTP status of the reply, as in `watcher.model.Result`."""

    excerpt: str = ""
    """The beginning of the reply's body, likewise."""

    seconds: float | None = None
    """How long the attempt took, likewise."""


@dataclass(frozen=True, slots=True)
class ThrottleMark:
    """What a rule with `throttle` leaves when it sends: until `until`, nothing else of the same rule,
    receiver and `by` goes out.
    """

    rule: str
    """The rule."""

    receiver: str
    """The receiver."""

    by: str
    """The value of the rule's `by`."""

    at: datetime
    """When something was sent."""

    until: datetime
    """Until when the mark counts."""

    delivery: str
    """Key of what was sent; if that dies or is cancelled, the mark is void."""


@dataclass(frozen=True, slots=True)
class StoredSilence:
    """A silence that a person added while the watcher ran."""

    id: str
    """Its id, which `silence expire` takes."""

    match: str
    """The condition (CEL) of what is not sent."""

    reason: str
    """Why, for people."""

    starts: datetime
    """From when it holds."""

    ends: datetime
    """Until when it holds; the time of expiry if it was expired."""

    author: str = ""
    """Who added it."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """How many deliveries a silence has stopped, and when the last one."""

    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Settlement:
    """The new state of one delivery after an attempt, or after a guard's decision."""

    key: str
    """The delivery's key."""

    attempt: int
    """The fence: if the stored attempt number differs, the delivery was claimed again since, and the
    settlement is ignored.
    """

    state: DeliveryState
    """The new state; `pending` if it is to be tried again."""

    due: datetime
    """When it may be tried next."""

    note: str
    """The outcome in one line for people."""

    settled: datetime | None
    """When it was done, None while it is pending."""

    untried: bool = False
    """Whether the claim is taken back: no attempt was made, and none is counted."""

    uncertain: bool = False
    """Whether this attempt or an earlier one was cut off, so that the message may have arrived."""

    rule: str = ""
    """The candidate rule that took over, empty if none did."""

    message: str = ""
    """The id of the digest that it went out with."""

    batch: str = ""
    """The digest that it waits for from now on."""

    held: bool = False
    """Whether it is put out of the order of its conversation."""

    aside: bool = False
    """Whether it leaves the order of its conversation, because it failed so often."""

    entry: HistoryEntry | None = None
    """What the history records."""

    silence: str = ""
    """The id of the silence that stopped it; counted."""

    then: tuple[Delivery, ...] = ()
    """Deliveries that follow; added unless the state that this one is about has ended meanwhile."""

    reached: tuple[str, ...] = ()
    """Fingerprints of the addresses that have it now, where a receiver has several."""

    refused: int = 0
    """The receiver's spell if it refused the delivery, 0 if it did not."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the log (`seq` only grows)."""

    seq: int
    event: Event


@dataclass(frozen=True, slots=True)
class EventQuery:
    """Which events to read: the newest `limit` that meet all conditions, oldest first."""

    after: int | None = None
    """Only those with a higher `seq`."""

    before: int | None = None
    """Only those with a lower `seq`."""

    since: datetime | None = None
    """The earliest time."""

    until: datetime | None = None
    """The time before which they happened."""

    types: tuple[str, ...] = ()
    """Globs with `*`; with several, one must fit, and so below. Empty: all."""

    sources: tuple[str, ...] = ()
    conversations: tuple[str, ...] = ()
    """The ids of the conversations."""

    id: str | None = None
    limit: int = 1000

    oldest: bool = False
    """Whether the oldest `limit` are asked for instead."""

    @property
    def types_alone(self) -> bool:
        """Whether types, and nothing that few events have, narrow it."""
        few = self.sources, self.conversations, self.id, self.since, self.until
        return bool(self.types) and not any(few)

    def fits(self, type_: str) -> bool:
        """Return whether one of its globs fits a type."""
        return not self.types or any(_glob(one, type_) for one in self.types)


def _glob(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


TallyKind = Literal["types", "sources", "rules", "receivers"]
"""What is counted: events by their type, or by their source; what came of rules, and of receivers."""


@dataclass(frozen=True, slots=True)
class TallyQuery:
    """Which counts to read: of the whole hours from that of `since`; one that begins at `until` is not
    among them, one that `until` is within is.
    """

    kind: TallyKind
    since: datetime
    until: datetime
    names: tuple[str, ...] = ()
    """Only of these types, sources, rules or receivers; empty: all."""

    step: Literal["hour", "day", "whole"] = "hour"
    """What is added up: each hour, each day (UTC), or all."""

    limit: int = 10_000


@dataclass(frozen=True, slots=True)
class Tally:
    """How often something happened within an hour, or what was asked for instead."""

    at: datetime
    """When the hour, the day or the whole began."""

    name: str
    """The type, the source, the rule or the receiver."""

    what: str
    """What happened: of a rule `matched`; of rules and receivers how a delivery ended, or why it was not
    sent; empty for events.
    """

    count: int

    def to_plain(self) -> dict[str, Any]:
        """Return the JSON form that the API shows."""
        return {"at": rfc3339(self.at), "name": self.name, "what": self.what, "count": self.count}


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """Which deliveries to read: the newest `limit` that meet all conditions, oldest first."""

    state: DeliveryState | None = None
    after: int | None = None
    """Only those with a later place in the outbox."""

    before: int | None = None
    """Only those with an earlier place."""

    stands: tuple[Standing, datetime] | None = None
    """Where they stand at a time (`Delivery.stands`)."""

    tried: bool = False
    """Only those of which an attempt has begun."""

    receiver: str | None = None
    events: tuple[str, ...] = ()
    """The ids of their events; empty: all, and so below."""

    conversations: tuple[str, ...] = ()
    """The ids of the conversations that their events are about; empty: all, and so below."""

    sources: tuple[str, ...] = ()
    """The sources of their events."""

    rule: str | None = None
    types: tuple[str, ...] = ()
    """Globs with `*` over the types of their events."""

    since: datetime | None = None
    """The earliest time of creation."""

    until: datetime | None = None
    """The time before which they were created."""

    id: str | None = None
    """The id of the delivery, or of the digest that it went out with."""

    batch: str | None = None
    """Only those that wait for this digest and are in none that was composed."""

    limit: int = 1000

    oldest: bool = False
    """Whether the oldest `limit` are asked for instead."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A delivery with its place in the outbox (`seq` only grows)."""

    seq: int
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Queue:
    """How many deliveries to one receiver are pending, by what they wait for (`Delivery.stands`)."""

    due: int = 0
    waiting: int = 0
    held: int = 0

    @property
    def pending(self) -> int:
        """All of them."""
        return self.due + self.waiting + self.held


Reason = Literal["due", "order", "retry", "timer", "digest", "hours"]
"""What a pending delivery waits for by itself, whatever its receiver does (`explain.waits` in words)."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """How many deliveries to one receiver wait for the same."""

    receiver: str
    reason: Reason
    number: int
    oldest: datetime
    """When the earliest of them is due, perhaps in the past."""


@dataclass(frozen=True, slots=True)
class Attention:
    """How many conversations of a source are unread, and since when somebody waits there at longest."""

    unread: int = 0
    waiting: datetime | None = None


IdKind = Literal["event", "delivery", "conversation"]
"""What an id names; a digest's id is that of a delivery."""


@dataclass(frozen=True, slots=True)
class ConversationPlace:
    """What a conversation's place in a list depends on."""

    source: str
    id: str
    waiting: datetime | None
    """Since when somebody waits in it."""

    words: str
    """What it is found by (`contact_words`)."""


def contact_words(name: str | None, email: str | None, phone: str | None) -> str:
    """Return what a conversation is found by, whatever the case of letters and the form of a number."""
    number = "".join(sign for sign in phone or "" if sign.isdigit())
    return "\n".join(filter(None, ((name or "").casefold(), (email or "").casefold(), number)))


def place_of(source: str, conversation: Conversation) -> ConversationPlace:
    """Return a conversation's place in a list."""
    contact = conversation.contact
    words = contact_words(contact.name, contact.email, contact.phone)
    return ConversationPlace(source, conversation.id, conversation.waiting_since, words)


def asked_words(text: str) -> str:
    """Return what of `contact_words` a person asks for: who writes a number means its digits."""
    digits = "".join(sign for sign in text if sign.isdigit())
    plain = " ".join(text.casefold().split())
    return digits if digits and not plain.strip("+0123456789 ()./-") else plain


@dataclass(frozen=True, slots=True)
class ConversationQuery:
    """Which present conversations to read: those that wait, longest first, then the rest by source
    and id.
    """

    sources: tuple[str, ...] = ()
    """Empty: all."""

    ids: tuple[str, ...] = ()
    """Empty: all."""

    waiting: bool = False
    """Only those in which a customer waits."""

    unread: bool = False
    """Only unread ones."""

    archived: bool | None = None
    """Only archived ones, or only others; None: both."""

    assignee: str | None = None
    """The id or name of the assignee; empty: nobody."""

    words: str = ""
    """A part of the contact's name, mail address or phone number; those found so are ordered by them."""

    after: ConversationPlace | None = None
    """Only those that follow this one in the order."""

    limit: int = 100


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back from a POST: a status with headers (lower-case names) and the body's beginning,
    or, with status 0, `error`: why there was no answer, without secrets.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    error: str = ""


@dataclass(frozen=True, slots=True)
class Space:
    """How much of a disk is free for this process, and how large it is, in bytes."""

    free: int
    total: int
    used: Mapping[str, int] = field(default_factory=dict)
    """The bytes of the store's own files, by their names: `main`, `wal`."""
