"""The words of the domain as values: conversations, what is seen of them, and what follows.

Law: values only. No I/O, no clock, no randomness; everything is frozen. Times are aware
datetimes in UTC; their JSON form is RFC 3339 with `Z` (`rfc3339`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, PlainSerializer, TypeAdapter, with_config

__all__ = [
    "Contact", "Conversation", "Delivery", "DeliveryKind", "DeliveryState",
    "Disposition", "Event", "IdSet", "Message", "Observation", "Reference", "Result", "Snapshot", "derive_id",
    "from_plain", "rfc3339", "to_plain",
]  # fmt: skip


def rfc3339(at: datetime) -> str:
    """Write an aware time as RFC 3339 in UTC, milliseconds at least (`2026-11-20T10:00:05.123Z`).

    Microseconds are kept where the value has them, so that what is stored compares equal to
    what is read again.
    """
    utc = at.astimezone(UTC)
    spec = "microseconds" if utc.microsecond % 1000 else "milliseconds"
    return utc.isoformat(timespec=spec).replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(rfc3339, return_type=str, when_used="json")]

Direction = Literal["inbound", "outbound", "internal"]

IdSet = Literal["unread", "unassigned"]
"""The sets of conversations whose ids a provider may list cheaply and the store can count."""


@dataclass(frozen=True, slots=True)
class Reference:
    """Somebody or something at the provider that a conversation points to: assignee, team.

    Two references are the same one when their ids are; the name is a label that may follow a
    rename without anything having changed in the conversation.
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
    """The outcome that a salesperson or a rule gave the conversation."""

    id: str | None = None
    label: str | None = None
    outcome: str | None = None
    changed_at: Time | None = None
    changed_by: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """The newest message that is no activity line. `internal` is a private note."""

    text: str | None = None
    direction: Direction | None = None
    type: str | None = None
    at: Time | None = None


@with_config(ConfigDict(ser_json_inf_nan="null"))
@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation in the form of the contract's `data.conversation`.

    `labels` are sorted, so that their order at the provider is no change. `attributes` holds
    the provider's own extras that are tracked, each key always present (null when empty).
    """

    id: str
    url: str | None = None
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
    priority: str | None = None
    last_message: Message | None = None
    last_activity_at: Time | None = None
    created_at: Time | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


CONVERSATION: TypeAdapter[Conversation] = TypeAdapter(Conversation)


def to_plain(conversation: Conversation) -> dict[str, Any]:
    """Give the JSON form of the contract (section 2) as plain Python values."""
    plain: dict[str, Any] = CONVERSATION.dump_python(conversation, mode="json")
    return plain


def from_plain(plain: Mapping[str, Any]) -> Conversation:
    """Read back what `to_plain` gave; raises pydantic.ValidationError for anything else."""
    return CONVERSATION.validate_python(plain)


@dataclass(frozen=True, slots=True)
class Observation:
    """What one row of a page shows of a conversation, perhaps only a part of it.

    `fields` maps leaf paths to values of the model's types: the names of `Conversation` itself
    (`unread`, `assignee`, `last_message`, …), `contact.id|name|email|phone`, and
    `attributes.<key>`. A path that is not there was not shown: the old value stands. A path
    with None was shown as empty.

    `absent` names the paths that are None only because the row had no such key, where the
    provider is known to leave the key out when there is nothing. If such a key vanishes from
    all rows at once, it is the API that changed (design 5).

    `message_id` is the provider's id of `last_message`, where rows carry one; a row whose
    newest line is an activity line leaves `last_message` out. `raw` is the decoded row, filled in
    only for sources with a `fields:` mapping.
    """

    id: str
    fields: Mapping[str, Any]
    absent: frozenset[str] = frozenset()
    message_id: str | None = None
    raw: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What we believe about a conversation.

    `revision` counts commits of this snapshot from 1. `seen` are the leaf paths that were ever
    shown: a path seen for the first time is taken over silently, and what is under none of them is
    forgotten. `counts` says how many events
    of each type the conversation has had (it makes event ids unique). `observed` is the start
    of the request that showed this state last, as far as it was stored. `present` is False
    after `conversation.removed`.
    """

    conversation: Conversation
    revision: int
    seen: frozenset[str]
    counts: Mapping[str, int]
    observed: datetime
    message_id: str | None = None
    present: bool = True


def derive_id(*parts: Any) -> str:
    """Derive an id from content alone: the same parts give the same 32 hexadecimal digits."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Event:
    """A change with identity and time: one CloudEvents 1.0 object (contract, section 2).

    `source` is the configured source's name (or the receiver's name for `receiver.*`, empty
    for `watcher.*`); in JSON it reads `inbox-watcher/<source>`. `subject` is the conversation's
    id, None for events that have none. `data` is plain JSON.
    """

    id: str
    type: str
    source: str
    subject: str | None
    time: datetime
    data: Mapping[str, Any]

    def to_plain(self) -> dict[str, Any]:
        """Give the CloudEvents object as plain Python values, in the contract's order."""
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
        """Give the frozen JSON text that is stored and posted."""
        return json.dumps(self.to_plain(), separators=(",", ":"), ensure_ascii=False).encode()

    @classmethod
    def from_body(cls, body: bytes | str) -> Event:
        """Read back what `body` gave."""
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
DeliveryKind = Literal["event", "for", "repeat", "digest"]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event owed to one receiver, until it is done.

    `id` is what receivers see as `webhook-id`: the event's id for an immediate delivery (`kind`
    `event`), an id of its own for what a rule with `for`, `repeat` or `digest` sends. `key` is
    unique in the outbox (id and receiver). `attempt` counts the attempts made so far and fences
    `settle`. `timer` is the rule's name when the delivery is over as soon as a state ends (`for`,
    `repeat`). `number` counts the messages of that rule about that state, from 1. `due` is when it
    may be tried next. `note` is the last outcome in one line for people.

    `candidates` are the rules that would send it, in their order: when a guard of `rule` stops
    it, the next one takes over. `batch` names the digest that it waits for; `message` is the id
    of the digest that it went out with, so that the same rows go together again. `held`: put off
    to the hours of its rule, so it is ahead of nobody. `redirected` is the receiver that it was
    first meant for. `reached` are fingerprints of those of several addresses that have it.
    """

    id: str
    event: Event
    receiver: str
    rule: str
    due: datetime
    created: datetime
    attempt: int = 0
    state: DeliveryState = "pending"
    timer: str | None = None
    note: str = ""
    settled: datetime | None = None
    kind: DeliveryKind = "event"
    number: int = 1
    candidates: tuple[str, ...] = ()
    batch: str = ""
    message: str = ""
    held: bool = False
    redirected: str = ""
    reached: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The outbox's primary key."""
        return f"{self.id}/{self.receiver}"

    @property
    def ordered(self) -> bool:
        """Whether it is sent in the order of its conversation; others are ahead of nobody."""
        return self.kind == "event" and not self.held


@dataclass(frozen=True, slots=True)
class Result:
    """What one attempt to send came to.

    `ok`: the receiver has it. `failed`: try again by the schedule (`retry_after` seconds is a
    minimum). `rejected`: the receiver will never take it. `gone`: the receiver asks for no more
    (HTTP 410) and is turned off. `unknown`: cut off in the middle, it may have arrived.
    `note` tells a person what the other side answered, without secrets; `status` is the HTTP
    status, `excerpt` the beginning of the answer's body (500 characters at most), both only where
    there was an answer. `seconds` is how long the attempt took. `reached` are fingerprints of
    all addresses that have it by now, where a receiver has several.
    """

    outcome: Literal["ok", "failed", "rejected", "gone", "unknown"]
    note: str = ""
    retry_after: float | None = None
    status: int | None = None
    excerpt: str = ""
    seconds: float | None = None
    reached: tuple[str, ...] = ()
