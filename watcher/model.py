"""The nouns of the domain as values: conversations, what is seen of them, events, deliveries.

Rules: values only. No I/O, no clock, no randomness; everything is frozen. Times are aware
datetimes in UTC; their JSON form is RFC 3339 with `Z` (`rfc3339`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from watcher.json_text import Stored

__all__ = [
    "NO_EVIDENCE", "Contact", "Conversation", "Delivery", "DeliveryKind", "DeliveryState",
    "Disposition", "Doubt", "Event", "Evidence", "IdSet", "Message", "Observation", "Reference", "Result",
    "Snapshot", "Standing", "derive_id", "from_plain", "rfc3339", "to_plain",
]  # fmt: skip


def rfc3339(at: datetime) -> str:
    """Format an aware time as RFC 3339 in UTC, with milliseconds (`2026-11-20T10:00:05.123Z`).

    Microseconds are kept where the value has them, so that what is stored compares equal to
    what is read again.
    """
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    spec = "microseconds" if utc.microsecond % 1000 else "milliseconds"
    return utc.isoformat(timespec=spec)[: -len("+00:00")] + "Z"


class _Stamp:
    """Has a time written as `rfc3339` does, in JSON alone."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        schema = handler(source)
        schema["serialization"] = core_schema.plain_serializer_function_ser_schema(
            rfc3339, return_schema=core_schema.str_schema(), when_used="json"
        )
        return schema


Time = Annotated[datetime, _Stamp]

Direction = Literal["inbound", "outbound", "internal"]

IdSet = Literal["unread", "unassigned"]
"""The sets of conversations whose ids a provider may list cheaply and the store can count."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A person or a team at the provider that a conversation points to.

    Two references are the same when their ids are. The name is a label: a rename does not change
    the conversation.
    """

    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """The person on the other side."""

    id: str | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True)
class Disposition:
    """The outcome that a salesperson or an automation recorded for the conversation."""

    id: str | None = None
    label: str | None = None
    outcome: str | None = None
    changed_at: Time | None = None
    changed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """The newest message; activity lines do not count."""

    text: str | None = None
    direction: Direction | None = None
    """`internal` is a private note. None where the provider does not show it."""

    type: str | None = None
    at: Time | None = None
    automated: bool | None = None
    """Whether a machine sent it: a greeting, an out-of-office text, a bot, a workflow, a campaign.

    None where the provider does not show it.
    """

    subject: str | None = None
    """A mail's."""

    attachments: tuple[str, ...] = ()
    """The kinds of what it holds besides text, each once, sorted: `image`, `audio`, `file`, `call`, …"""


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation, as in `data.conversation` of an event.

    What follows from a field elsewhere (the event of its change, whether it can be mapped, a sample)
    stands in `watcher.catalogue.fields`: a new field is a line here and a row there.
    """

    __pydantic_config__ = {"ser_json_inf_nan": "null"}  # noqa: RUF012 - pydantic reads it so

    id: str
    url: str | None = None
    """Where a person opens it."""

    contact: Contact = field(default_factory=Contact)
    channel: str | None = None
    unread: bool = False
    unread_count: int | None = None
    assignee: Reference | None = None
    team: Reference | None = None
    archived: bool = False
    status: str | None = None
    disposition: Disposition | None = None
    labels: tuple[str, ...] = ()
    """Sorted, so that their order at the provider is not a change."""

    priority: str | None = None
    last_message: Message | None = None
    waiting_since: Time | None = None
    """The time of the first message of the customer that no person has answered.

    None where nobody waits, and where the provider does not show who wrote. `watcher.waiting` derives
    it: no row shows it.
    """

    last_activity_at: Time | None = None
    created_at: Time | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """The provider's own fields that are tracked, each key always present (null when empty)."""


CONVERSATION = Stored(Conversation)


def to_plain(conversation: Conversation) -> dict[str, Any]:
    """Return the JSON form of events (docs/events.md) as plain Python values."""
    plain: dict[str, Any] = CONVERSATION.adapter.dump_python(conversation, mode="json")
    return plain


def from_plain(plain: Mapping[str, Any]) -> Conversation:
    """Return the conversation of a JSON form. Raise pydantic.ValidationError for anything else."""
    return CONVERSATION.adapter.validate_python(plain)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a row shows of who waits for whom, beyond its last message; None is not shown."""

    waits_since: Time | None = None
    """The provider's own time since which the customer has waited.

    It may have begun or been cleared by what is no event here (a bot's text): it is believed only as
    far as it agrees with what was known, and one that moves on ends nothing.
    """

    asked_at: Time | None = None
    """When somebody wrote last, or about when, below a line that is no answer; no answer is later.

    It is taken for the customer where the unread count rose, and in a row that was not known if it is
    `unanswered`.
    """

    unanswered: bool = False
    """Whether what is unread shows by itself that no person has answered it."""

    answered_at: Time | None = None
    """When a person on our side wrote, whatever was written later. It stays known until a wait begins."""

    by_person: bool | None = None
    """Whether the newest message that went out is a person's, whatever came in later."""

    unclear: bool = False
    """Whether a value is unreadable that tells a person's message from a machine's."""


NO_EVIDENCE = Evidence()


@dataclass(frozen=True, slots=True)
class Observation:
    """What one row of a page shows of a conversation, perhaps only a part of it."""

    id: str

    fields: Mapping[str, Any]
    """Leaf paths with values of the model's types.

    Paths are the names of `Conversation` (`unread`, `assignee`, `last_message`, …),
    `contact.id|name|email|phone`, and `attributes.<key>`. A path that is missing was not shown: the
    old value stays. A path with None was shown as empty.
    """

    absent: frozenset[str] = frozenset()
    """The paths that are None only because the row lacked the key.

    For providers that leave a key out when there is nothing to show. If such a key vanishes from
    all rows at once, the API has changed.
    """

    message_id: str | None = None
    """The provider's id of `last_message`, where rows show one.

    A row whose newest line is an activity line leaves `last_message` out.
    """

    raw: Mapping[str, Any] | None = None
    """The decoded row; only for sources with a `fields:` mapping."""

    evidence: Evidence = NO_EVIDENCE
    """What else the row shows of who waits."""

    number: int | None = None
    """The conversation's place in the order of creation, where the provider counts: each new one
    has a higher number than all before it, and none is given twice. It tells new conversations from
    old ones that come into sight without a clock.
    """

    activity_at: datetime | None = None
    """The time of the newest line, where that is an activity line and hides the last message.

    A known message that is later is gone.
    """

    no_words: bool = False
    """Whether the row says that there are no last words, and does not only lack them: where its time is
    another event's, that is all that shows that a message is gone.
    """


@dataclass(frozen=True, slots=True)
class Doubt:
    """What the last row of a conversation lost, and what is therefore not believed yet."""

    since: Time
    """When the answer had arrived that first showed the loss, by our clock."""

    lost: tuple[str, ...]
    """The leaf paths that still have their old values, sorted."""

    shown: str
    """Fingerprint of what rows show in their place: another loss begins another doubt."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is known about a conversation, as it is stored."""

    conversation: Conversation

    revision: int
    """Counts the commits of this snapshot, from 1."""

    seen: frozenset[str]
    """The leaf paths that were ever shown.

    A path shown for the first time is taken over silently; what is under none of them is dropped.
    """

    counts: Mapping[str, int]
    """How many events of each type the conversation has had; it makes the ids of events unique."""

    observed: datetime
    """When the request began that last showed this state, as far as it was stored."""

    message_id: str | None = None
    """The provider's id of the last message, where known."""

    evidence: Evidence = NO_EVIDENCE
    """What the last row showed of who waits."""

    present: bool = True
    """False after `conversation.removed`."""

    doubt: Doubt | None = None
    """What the last row lost that is not believed yet; None where it was whole."""

    prints: Mapping[str, str] = field(default_factory=dict)
    """Stand-ins for what the conversation had and is not kept, by leaf path (`watcher.fingerprints`)."""


def derive_id(*parts: Any) -> str:
    """Return an id derived from content alone: the same parts give the same 32 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Event:
    """A change with identity and time: one CloudEvents 1.0 object."""

    id: str

    type: str
    """One of `watcher.catalogue.events`."""

    source: str
    """The configured source's name; of `receiver.*` and `delivery.dead` the receiver's, of `watcher.*` empty.

    In JSON it reads `inbox-watcher/<source>`.
    """

    subject: str | None
    """The conversation's id, None for events about no conversation."""

    time: datetime
    """When the change was detected."""

    data: Mapping[str, Any]
    """Plain JSON."""

    @property
    def existing(self) -> bool:
        """Whether it is no news, only what a rule with `existing` sends: it is not in the log."""
        return bool(self.data.get("existing"))

    def to_plain(self) -> dict[str, Any]:
        """Return the CloudEvents object as plain Python values, in the documented order."""
        plain: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": f"inbox-watcher/{self.source}" if self.source else "inbox-watcher",
            "type": self.type,
        }
        if self.subject is not None:
            plain["subject"] = self.subject
        plain["time"] = rfc3339(self.time)
        plain["datacontenttype"] = "application/json"
        plain["data"] = dict(self.data)
        return plain

    def body(self) -> bytes:
        """Return the JSON text that is stored and posted; it never changes."""
        return json.dumps(self.to_plain(), separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_body(cls, body: bytes | str) -> Event:
        """Return the event that `body` came from."""
        plain = json.loads(body)
        return cls(
            id=plain["id"],
            type=plain["type"],
            source=plain["source"].partition("/")[2],
            subject=plain.get("subject"),
            time=datetime.fromisoformat(plain["time"].replace("Z", "+00:00")),
            data=plain["data"],
        )


DeliveryState = Literal["pending", "delivered", "dead", "cancelled"]
Standing = Literal["due", "waiting", "held", "delivered", "dead", "cancelled"]
"""A state as people see it, with `pending` told apart (`Delivery.stands`)."""

DeliveryKind = Literal["event", "for", "repeat", "digest", "resolved"]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a state ended that rules told of."""

    at: datetime
    """When its end was observed."""

    reason: str
    """Why it is over, in one line for people."""

    rules: tuple[str, ...]
    """The rules that tell it to those whom they told of the state."""

    conversation: Mapping[str, Any] | None = None
    """The conversation at the end, as plain JSON; None where the state was a source's."""

    waited: int | None = None
    """How many seconds somebody waited, where the provider's times tell."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event owed to one receiver, until it is done."""

    id: str
    """What receivers see as `webhook-id`.

    The event's id for an immediate delivery, an id of its own for what a rule with `for`, `repeat`
    or `digest` sends.
    """

    event: Event

    receiver: str
    """The name of the receiver that it goes to."""

    rule: str
    """The name of the rule whose message is sent."""

    due: datetime
    """When it may be tried next."""

    created: datetime

    attempt: int = 0
    """How many attempts were made so far. An outcome is recorded only for the latest one."""

    state: DeliveryState = "pending"

    timer: str | None = None
    """The rule's name if the delivery is cancelled as soon as a state ends (`for`, `repeat`)."""

    note: str = ""
    """The last outcome, in one line for people."""

    settled: datetime | None = None
    """When it was delivered, buried or cancelled; None while it is pending."""

    kind: DeliveryKind = "event"
    """What sends it: the event at once (`event`), or one of these keys of its rule."""

    uncertain: bool = False
    """Whether an attempt was cut off, so that it may have arrived whatever became of it later."""

    ending: Ending | None = None
    """The end that it tells (`resolved`), or that follows once it is known to have arrived."""

    number: int = 1
    """Counts the messages of the rule about this state, from 1."""

    candidates: tuple[str, ...] = ()
    """The names of the rules that would send it, in their order.

    When a guard of `rule` stops it, the next one takes over.
    """

    batch: str = ""
    """The digest that it waits for: its rule's, or what the hours of rules held."""

    message: str = ""
    """The id of the digest that it was sent with, so that the same rows go together again."""

    held: bool = False
    """Whether it was put off to the hours of its rule, so that it does not block later deliveries."""

    aside: bool = False
    """Whether it failed so often that it left the order of its conversation: later deliveries pass it,
    and it goes out whenever it is due.
    """

    redirected: str = ""
    """The receiver that it was first meant for, if the hours of its rule sent it to another."""

    reached: tuple[str, ...] = ()
    """Fingerprints of the addresses that have it already, for a receiver with several."""

    refused: int = 0
    """The receiver's spell (`ReceiverState.spell`) in which it last refused the delivery; 0 if it
    never has.
    """

    cut: int = 0
    """How many attempts in a row began and never settled: the process died, perhaps because of it."""

    @property
    def key(self) -> str:
        """The primary key of the outbox: id and receiver."""
        return f"{self.id}/{self.receiver}"

    def stands(self, now: datetime) -> Standing:
        """Return the state, with `pending` told apart: `due` (owed: not sent yet, or failed and tried
        again), `waiting` (for the time of its rule's `for`, `repeat` or `digest`), or `held` (put off
        to the hours of its rule).
        """
        if self.state != "pending":
            return self.state
        if self.due <= now:
            return "due"
        if self.held:
            return "held"
        return "due" if self.kind in ("event", "resolved") or self.attempt else "waiting"

    @property
    def told(self) -> bool:
        """Whether the receiver has it, or may have it."""
        return self.state == "delivered" or self.uncertain

    @property
    def ordered(self) -> bool:
        """Whether it is sent in the order of its conversation. Others do not block later ones."""
        return self.kind == "event" and not self.held and not self.aside


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one attempt to send."""

    outcome: Literal["ok", "failed", "refused", "rejected", "gone", "unknown"]
    """What to do with the delivery.

    * `ok`: the receiver has it.
    * `failed`: try again by the schedule.
    * `refused`: the receiver answers, and does not take this message; try again by the schedule.
    * `rejected`: the receiver will never take it.
    * `gone`: the receiver wants no more (HTTP 410) and is turned off.
    * `unknown`: the attempt was cut off; the message may have arrived.
    """

    note: str = ""
    """What the other side answered, for people; without secrets."""

    retry_after: float | None = None
    """Seconds to wait at least before the next attempt."""

    status: int | None = None
    """The HTTP status, where there was an answer."""

    excerpt: str = ""
    """The beginning of the answer's body, at most 500 characters."""

    seconds: float | None = None
    """How long the attempt took."""

    reached: tuple[str, ...] = ()
    """Fingerprints of all addresses that have it by now, for a receiver with several."""

    certain: bool = False
    """Of `refused`: whether the answer itself says that it is about this message (too long,
    malformed). Otherwise it counts as such only while the receiver takes others.
    """

    too_large: bool = False
    """Of `refused`: whether a smaller message may be taken. A digest is halved."""
