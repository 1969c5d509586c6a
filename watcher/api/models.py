"""What the API takes and gives, as models: the source of its document.

Rules: what is taken is checked by these; what is given is only described (a test holds answers against them).
The shapes of events, deliveries and conversations are those of `--json`.
"""

from __future__ import annotations

import fnmatch
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from watcher.archive import MOST
from watcher.catalogue.events import EVENT_TYPES
from watcher.records import TallyKind

__all__ = [
    "UNKNOWN",
    "AcknowledgementsAnswer",
    "ActionAnswer",
    "ActionShown",
    "ActionsPage",
    "Asked",
    "CloudEvent",
    "ConversationAsked",
    "ConversationShown",
    "ConversationsAsked",
    "ConversationsPage",
    "DecisionAsked",
    "DeliveriesAsked",
    "DeliveriesPage",
    "DeliveryShown",
    "Done",
    "Entry",
    "EventsAsked",
    "EventsPage",
    "ExtensionAsked",
    "Given",
    "HistoryAnswer",
    "HistoryShown",
    "HoldAnswer",
    "Listing",
    "PreviewAnswer",
    "PreviewAsked",
    "Problem",
    "RetryAnswer",
    "RetryAsked",
    "SilenceAsked",
    "SilencesAnswer",
    "SourcesAsked",
    "SourcesPage",
    "StatsAnswer",
    "StatsAsked",
    "StatusAnswer",
    "StatusAsked",
    "StoppedGroup",
    "StoryAnswer",
    "StreamAsked",
    "Summary",
    "TakenShown",
    "TallyShown",
    "Verdict",
    "WaitShown",
]

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2199, 12, 31, tzinfo=UTC)


def _written(at: Any) -> Any:
    # Else a number is taken for seconds since 1970.
    if not isinstance(at, datetime | str) or (isinstance(at, str) and "-" not in at[1:]):
        raise ValueError("is no date with time, such as 2026-11-20T10:00:00Z")
    return at


def _sane(at: datetime) -> datetime:
    """Return a time as it can be compared with others: nothing was before, and nothing will be after."""
    return min(max(at, EARLIEST), LATEST).astimezone(UTC)


def _known_type(glob: str) -> str:
    if not fnmatch.filter(EVENT_TYPES, glob):
        raise PydanticCustomError(UNKNOWN, "fits no event type")
    return glob


UNKNOWN = "unknown"
"""The kind of a mistake in what is well written and names nothing that there is."""

Moment = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_sane)]
Text = Annotated[str, Field(max_length=1000)]
Id = Annotated[str, Field(max_length=250)]
Glob = Annotated[str, Field(max_length=100), AfterValidator(_known_type)]
Some = Annotated[tuple[Text, ...], Field(max_length=50)]


class Asked(BaseModel):
    """What a request asks for; an unknown name is a mistake, not nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listing(Asked):
    """Which part of a list."""

    limit: int = Field(50, ge=1, le=MOST, description="The largest number of items.")
    cursor: str = Field(
        "",
        pattern="^[A-Za-z0-9_=-]{0,2000}$",
        description="From `next` or `previous` of an answer.",
    )


class EventsAsked(Listing):
    """Which events; what is repeated widens, different filters narrow."""

    type: Annotated[tuple[Glob, ...], Field(max_length=50)] = ()
    source: Some = ()
    conversation: Some = ()
    since: Moment | None = None
    until: Moment | None = None


class DeliveriesAsked(EventsAsked):
    """Which deliveries."""

    state: Literal["pending", "due", "waiting", "held", "delivered", "dead", "cancelled"] | None = (
        None
    )
    receiver: Text | None = None
    rule: Text | None = None


class DeadAsked(Asked):
    """Which dead deliveries; what is repeated widens, different filters narrow."""

    type: Annotated[tuple[Glob, ...], Field(max_length=50)] = ()
    source: Some = ()
    since: Moment | None = None
    until: Moment | None = None
    receiver: Text | None = None
    rule: Text | None = None


class ConversationsAsked(Listing):
    """Which conversations."""

    q: Text = Field("", description="A part of the contact's name, mail address or phone number.")
    source: Some = ()
    waiting: bool = False
    unread: bool = False
    archived: bool | None = None
    owner: Text | None = Field(None, description="The id or name of the assignee; empty: nobody.")


class ConversationAsked(Asked):
    """Which conversation: ids are foreign, so they stand in the query."""

    source: Text
    conversation: Text


class TimelineAsked(Listing):
    """Of which conversation, and which part of the list."""

    source: Text
    conversation: Text


class WhyAsked(Asked):
    """Why a receiver was not told: of an event, or of a conversation in a time (the last day)."""

    receiver: Text
    event: Text = Field("", description="The id of the event; without it source and conversation.")
    source: Text = ""
    conversation: Text = ""
    type: Text = Field("", description="The type of the event that was expected.")
    since: Moment | None = None
    until: Moment | None = None


class SourcesAsked(Listing):
    """Which sources."""

    q: Text = Field("", description="A part of the name; with `*` at the end its beginning.")
    state: Annotated[
        tuple[Literal["failing", "held", "stale", "no baseline", "starting", "ok"], ...],
        Field(max_length=10),
    ] = ()


class StatusAsked(Asked):
    """How many sources are shown, the worst first."""

    sources: int = Field(50, ge=0, le=10_000)


class StatsAsked(Asked):
    """What is counted, and what is added up."""

    kind: TallyKind
    since: Moment
    until: Moment
    name: Some = ()
    step: Literal["hour", "day", "whole"] = "hour"


class StreamAsked(Asked):
    """Which events are followed, and from where."""

    type: Annotated[tuple[Glob, ...], Field(max_length=50)] = ()
    source: Some = ()
    conversation: Some = ()
    after: int | None = Field(None, ge=0, lt=2**62, description="As `Last-Event-ID`.")
    full: bool = Field(False, description="Whether each message carries the event.")


class RetryAsked(Asked):
    """Which deliveries are sent again: those of these ids, or all dead ones that fit a filter."""

    ids: Annotated[tuple[Id, ...], Field(max_length=1000)] = ()
    receiver: Text | None = None
    rule: Text | None = None
    type: Annotated[tuple[Glob, ...], Field(max_length=50)] = ()
    source: Some = ()
    since: Moment | None = None
    until: Moment | None = None
    expect: int | None = Field(
        None, ge=0, description="How many were shown; refused where it is off by more than a tenth."
    )


class DecisionAsked(Asked):
    """The decision about the hold that was seen."""

    decision: Literal["accept", "discard"]
    since: Moment = Field(description="`since` of the hold that was shown.")


class PreviewAsked(Asked):
    """A condition that might become a silence."""

    match: Annotated[str, Field(min_length=1, max_length=10_000)]


class SilenceAsked(PreviewAsked):
    """A silence from now on."""

    reason: Text = ""
    ends: Moment


class ExtensionAsked(Asked):
    """Another end of a silence."""

    ends: Moment


class Given(BaseModel):
    """What an answer has; more may join it, which is to be ignored."""

    model_config = ConfigDict(extra="allow")


class Problem(Given):
    """Why a request was refused (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    remedy: str | None = None
    errors: list[dict[str, Any]] | None = None


class CloudEvent(Given):
    """An event, as receivers get it."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str | None = None
    time: AwareDatetime
    datacontenttype: Literal["application/json"]
    data: dict[str, Any]


class EventsPage(Given):
    """Some events, the newest first."""

    items: list[CloudEvent]
    next: str | None
    previous: str | None


class TimelineItem(Given):
    """What happened: an event of the conversation with its deliveries, or a trouble of its source."""

    at: AwareDatetime
    kind: Literal["event", "trouble"]
    event: CloudEvent
    deliveries: list[dict[str, Any]]


class TimelinePage(Given):
    """A part of a conversation's time, the newest first."""

    items: list[TimelineItem]
    next: str | None
    previous: str | None


class WaitShown(Given):
    """What a delivery waits for."""

    reason: str
    text: str
    until: AwareDatetime | None
    by: str | None


class DeliveryShown(Given):
    """A delivery."""

    id: str
    event: str
    type: str
    source: str
    conversation: str | None
    receiver: str
    rule: str
    kind: str
    number: int
    state: Literal["pending", "delivered", "dead", "cancelled"]
    stands: Literal["due", "waiting", "held", "delivered", "dead", "cancelled"]
    attempts: int
    due: AwareDatetime
    created: AwareDatetime
    settled: AwareDatetime | None
    waits: WaitShown | None
    digest: str | None
    note: str


class DeliveriesPage(Given):
    """Some deliveries, those that entered the outbox last first."""

    items: list[DeliveryShown]
    next: str | None
    previous: str | None


class DeadGroup(Given):
    """What came back of some dead deliveries of a receiver."""

    receiver: str
    note: str
    count: int


class DeadAnswer(Given):
    """How many deliveries were given up, by what came back, the most frequent first; of very many the
    newest are counted, then `exact` is false.
    """

    count: int
    exact: bool
    groups: list[DeadGroup]


class RuleShown(Given):
    """A rule of the present configuration."""

    name: str
    says: str
    receivers: list[str]
    severity: str | None
    stop: bool
    place: str | None


class RulesAnswer(Given):
    """All rules, in the order in which they are asked."""

    items: list[RuleShown]


class Entry(Given):
    """What was done or decided about a delivery."""

    at: AwareDatetime | None
    kind: str
    attempt: int | None
    status: int | None
    seconds: float | None
    note: str
    excerpt: str


class HistoryShown(DeliveryShown):
    """A delivery with its history."""

    history: list[Entry]


class HistoryAnswer(Given):
    """The deliveries of an id: one for each receiver."""

    items: list[HistoryShown]


class Verdict(Given):
    """What a rule made of an event."""

    rule: str
    matched: bool
    reason: str


class StoryAnswer(Given):
    """An event with all that came of it."""

    event: CloudEvent
    changed: str
    rules: list[Verdict] | None
    deliveries: list[dict[str, Any]]


class FindingShown(Given):
    """One reason why somebody was not told."""

    kind: str
    text: str
    by: str | None
    place: str | None
    remedy: str | None
    at: AwareDatetime | None
    event: str | None
    delivery: str | None


class WhyAnswer(Given):
    """Why a receiver was not told, what explains most first."""

    source: str
    conversation: str | None
    receiver: str
    since: AwareDatetime
    until: AwareDatetime
    type: str | None
    event: str | None
    findings: list[FindingShown]


class TakenShown(Given):
    """Who has taken a conversation."""

    source: str
    conversation: str
    at: AwareDatetime
    who: str | None
    via: str


class ConversationShown(Given):
    """A conversation as it is known."""

    source: str
    state: str
    observed: AwareDatetime
    conversation: dict[str, Any]
    taken: TakenShown | None


class ConversationsPage(Given):
    """Some conversations: those that wait, longest first, then the others."""

    items: list[ConversationShown]
    next: str | None
    previous: str | None


class Summary(Given):
    """States and counts alone, for everybody."""

    version: str
    sources: dict[str, int]
    receivers: dict[str, int]
    network_failing: bool
    store_failing: bool
    rules: int
    stuck: int
    refused: bool


class StatusAnswer(Given):
    """What `status` says of the daemon, its sources and receivers."""

    daemon: dict[str, Any] | None
    sources: list[dict[str, Any]]
    standing: dict[str, int]
    receivers: list[dict[str, Any]]


class GroupShown(Given):
    """Sources whose names begin alike, and how the worst of them stands."""

    prefix: str
    count: int
    worst: str


class SourcesPage(Given):
    """Some sources, those that stand worst first; `standing` and `groups` count all of them."""

    items: list[dict[str, Any]]
    next: str | None
    previous: str | None
    standing: dict[str, int]
    groups: list[GroupShown]


class HoldAnswer(Given):
    """A held sweep, and what is known of some of the conversations that it is about."""

    source: str
    hold: dict[str, Any]
    known: list[ConversationShown]


class TallyShown(Given):
    """How often something happened."""

    at: AwareDatetime
    name: str
    what: str
    count: int


class StatsAnswer(Given):
    """Counts, by time, name and what happened."""

    items: list[TallyShown]


class SilencesAnswer(Given):
    """Every silence."""

    items: list[dict[str, Any]]


class StoppedGroup(Given):
    """How many messages of one receiver or one severity would have been stopped."""

    name: str
    count: int


class PreviewAnswer(Given):
    """What a silence would have stopped of what was sent or given up in the last 24 hours, and what it would
    stop of what waits; of very many messages the newest are looked at, then `exact` is false. Severities are
    those of today's rules, the empty one is none.
    """

    sent: int
    stopped: int
    exact: bool
    receivers: list[StoppedGroup]
    severities: list[StoppedGroup]
    waiting: int
    examples: list[DeliveryShown]


class AcknowledgementsAnswer(Given):
    """Who has taken what, the latest first."""

    items: list[TakenShown]


class ActionShown(Given):
    """What a person did."""

    at: AwareDatetime
    who: str | None
    via: str
    what: str
    target: str
    note: str


class ActionsPage(Given):
    """Some actions, the newest first."""

    items: list[ActionShown]
    next: str | None
    previous: str | None


class RetryAnswer(Given):
    """How many deliveries are sent again."""

    retried: int


class ActionAnswer(Given):
    """What came of an action."""


class Done(Given):
    """Whether it was done."""

    done: bool
