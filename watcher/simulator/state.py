"""What the simulated world is made of: accounts, conversations, their states, and who sees them.

Rules: values, and the two containers that keep them. A `State` is frozen; a mutation replaces it and
the old one stays in the conversation's history, because a search index may still show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from watcher.simulator.versions import NEWEST, Version, can
from watcher.simulator.waiting import NO_STAMPS, Sender, Stamps

__all__ = [
    "Account",
    "Activity",
    "Agent",
    "Attachment",
    "Contact",
    "Conversation",
    "Direction",
    "Disposition",
    "Impossible",
    "Inbox",
    "Kind",
    "Message",
    "Part",
    "Role",
    "State",
    "Team",
    "Viewer",
]

Kind = Literal["leadping", "highlevel", "chatwoot"]
Direction = Literal["inbound", "outbound", "internal"]
Attachment = Literal[
    "image", "audio", "video", "file", "location", "contact", "call", "voicemail", "sticker"
]  # fmt: skip
"""What a message may have besides words."""

Role = Literal[
    "administrator",
    "agent",
    "conversation_manage",
    "conversation_unassigned_manage",
    "conversation_participating_manage",
    "none",
    "bot",
]
"""Chatwoot's roles, its Enterprise custom roles by their permission, and a bot's token."""

Part = Literal["messages", "newest", "contact"]
"""What a row may lack for a moment: all its messages, the newest one, who the contact is."""


class Impossible(ValueError):
    """The provider has no such thing: teams at HighLevel, priorities at Leadping."""


@dataclass(frozen=True, slots=True)
class Agent:
    """Somebody who answers; with `bot` one of Chatwoot's agent bots, whose ids overlap users'."""

    id: str
    name: str
    bot: bool = False


@dataclass(frozen=True, slots=True)
class Team:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Inbox:
    """One of Chatwoot's inboxes; elsewhere only its channel matters."""

    id: int
    channel: str


@dataclass(frozen=True, slots=True)
class Contact:
    """The person on the other side; Leadping calls it a lead. One may have many conversations."""

    id: str
    name: str | None
    email: str | None
    phone: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A message, an answer or a private note; never an activity line."""

    id: int
    text: str | None
    direction: Direction
    at: datetime

    sender: Sender = "person"
    """Who wrote an outbound one."""

    subject: str | None = None
    """A mail's subject."""

    attachments: tuple[Attachment, ...] = ()
    """What it has besides words."""

    deleted: bool = False
    """Whether it was taken back; Chatwoot puts other words in its place."""


@dataclass(frozen=True, slots=True)
class Activity:
    """A line that the system writes. `at` is when it was asked for: Chatwoot writes it later."""

    id: int
    text: str
    at: datetime
    type: str = "TYPE_ACTIVITY_OPPORTUNITY"


@dataclass(frozen=True, slots=True)
class Disposition:
    id: str
    label: str
    outcome: str | None
    category: str | None
    changed_at: datetime
    changed_by: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Everything about a conversation at one moment."""

    id: str
    """The conversation's id at its service."""

    contact: Contact
    """The person on the other side."""

    inbox: Inbox
    """Where it came in."""

    created_at: datetime
    """When it began."""

    updated_at: datetime
    """The service's second clock (Chatwoot's `updated_at`, HighLevel's `dateUpdated`)."""

    message: Message | None = None
    """The newest message, answer or note."""

    recent: tuple[Message, ...] = ()
    """The newest ten of them, oldest first; `message` is the last."""

    activities: tuple[Activity, ...] = ()
    """The newest lines of the system."""

    unread: int = 0
    """How many messages the watcher's own user has not seen, without any service's cap."""

    inbound: tuple[tuple[datetime, int], ...] = ()
    """Time and line number of the newest inbound messages; with `seen_line` they make Chatwoot's count,
    also when two things share a millisecond.
    """

    seen_at: datetime | None = None
    """When the watcher's own user last opened it."""

    seen_line: int = 0
    """The last line that was seen."""

    read_by: frozenset[str] = frozenset()
    """Other users who have read it since the last inbound message (Leadping is per user)."""

    assignee: Agent | None = None
    """Who is in charge."""

    team: Team | None = None
    """The team in charge."""

    status: str | None = None
    """The service's own status."""

    snoozed_until: datetime | None = None
    """When a snoozed conversation comes back, None at the next reply."""

    archived: bool = False
    """Whether it is put away."""

    archived_at: datetime | None = None
    """When it was put away."""

    archive_reason: int | str | None = None
    """Why, in the service's own code."""

    disposition: Disposition | None = None
    """How it turned out."""

    labels: tuple[str, ...] = ()
    """Labels, or the tags of a HighLevel contact."""

    priority: str | None = None
    """Chatwoot's priority."""

    attributes: Mapping[str, Any] = field(default_factory=dict)
    """The service's own extras."""

    starred: bool = False
    """HighLevel's star."""

    followers: tuple[str, ...] = ()
    """Ids of the agents who follow it."""

    asked_at: datetime | None = None
    """When the contact wrote what no person has answered yet."""

    stamps: Stamps = NO_STAMPS
    """The same as Chatwoot's versions stamp it (`watcher.simulator.waiting`)."""

    first_reply_at: datetime | None = None
    """When an agent first answered."""

    outbound_by: Sender | None = None
    """Who wrote the last outbound message."""

    manual_at: datetime | None = None
    """When a person last wrote, in either direction."""

    mail_subject: str | None = None
    """The subject of the first mail."""

    gone_at: datetime | None = None
    """When it was deleted."""

    hidden: bool = False
    """Whether the watcher's token may not see it."""

    orphan: bool = False
    """Whether its contact was half deleted, which breaks every page that holds it, and its look-up."""

    torn: frozenset[Part] = frozenset()
    """What rows do not show although it is there, or is on its way out: no ideal watcher tells that."""

    @property
    def waiting_since(self) -> datetime | None:
        """Since when the contact waits; nobody waits in what is put away."""
        return None if self.archived else self.asked_at


class Conversation:
    """A conversation through time; the world's methods take it as their subject."""

    __slots__ = ("account", "history", "id")

    KEPT = 64
    """How many states are remembered: more than any index lags behind."""

    def __init__(self, account: Account, state: State, since: datetime | None = None) -> None:
        """`since` is when it truly came into view, None for its creation."""
        self.account = account
        self.id = state.id
        began = since or state.created_at - account.clock_off
        self.history: list[tuple[datetime, State]] = [(began, state)]

    @property
    def state(self) -> State:
        """The state now."""
        return self.history[-1][1]

    def as_of(self, moment: datetime) -> State | None:
        """Return the state at a past moment, None before the conversation began."""
        for at, state in reversed(self.history):
            if at <= moment:
                return state
        return None

    def become(self, state: State, at: datetime) -> None:
        """Replace the state; only the world calls this."""
        self.history.append((at, state))
        del self.history[: -self.KEPT]


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose token it is. Outside Chatwoot only `user` counts, and only for Leadping's unread."""

    user: str = "1"
    """The user's id."""

    role: Role = "administrator"
    """The user's role at Chatwoot."""

    inboxes: frozenset[int] | None = None
    """The Chatwoot inboxes of which an agent is a member, None for all."""

    teams: frozenset[str] = frozenset()
    """The teams of which an agent is a member."""

    def lists(self, state: State) -> bool:
        """Return whether the list shows the conversation (Chatwoot's permission filter)."""
        if state.hidden or self.role in ("none", "bot"):
            return False
        if self.role == "administrator":
            return True
        assignee = None if state.assignee is None or state.assignee.bot else state.assignee.id
        return self._member(state) and (
            self.role in ("agent", "conversation_manage")
            or assignee == self.user
            or (self.role == "conversation_unassigned_manage" and state.assignee is None)
        )

    def shows(self, state: State, version: Version = NEWEST) -> bool:
        """Return whether `show` answers: wider than the list by the viewer's teams, and for bots."""
        if state.hidden:
            return False
        by_team = (
            can(version, "a team member looks up")
            and state.team is not None
            and state.team.id in self.teams
            and self.role == "agent"
        )
        return self.role == "bot" or by_team or self.lists(state)

    def _member(self, state: State) -> bool:
        return self.inboxes is None or state.inbox.id in self.inboxes


@dataclass(slots=True)
class Account:
    """One account: a Leadping organization, a HighLevel location or a Chatwoot account."""

    kind: Kind
    """The service."""

    id: str
    """The account's id at its service."""

    token: str
    """The token of `viewer`."""

    viewer: Viewer
    """Whose view the truth is about."""

    agents: list[Agent]
    """Who may be assigned."""

    teams: list[Team]
    """Chatwoot's teams."""

    labels: list[str]
    """The labels, or tags, that there are."""

    inboxes: list[Inbox]
    """The inboxes."""

    opened_at: datetime
    """When it was opened, by its server's clock: what is older and comes into view later joins silently."""

    tokens: dict[str, Viewer] = field(default_factory=dict)
    """Every token that is accepted; more may be added."""

    conversations: dict[str, Conversation] = field(default_factory=dict)
    """All conversations by id, deleted ones too."""

    version: Version = NEWEST
    """What its Chatwoot runs; `World.install` puts another version in its place."""

    clock_off: timedelta = timedelta(0)
    """By how much its server's clock is ahead of the true time; `World.set_clock` changes it."""

    suspended: bool = False
    """Whether Chatwoot has suspended the account."""

    numbers: tuple[int, int] = (1, 1)
    """The lowest number of a Chatwoot conversation, and the next one that is given."""

    contacts: int = 1000
    """The number of the last contact."""

    @property
    def key(self) -> str:
        """The account's name in the truth: `chatwoot/3`."""
        return f"{self.kind}/{self.id}"

    def sees(self, state: State) -> bool:
        """Return whether an ideal watcher with the account's own token finds the conversation."""
        return state.gone_at is None and self.viewer.lists(state)

    def living(self) -> list[Conversation]:
        """Return the conversations that exist and can be seen, oldest first."""
        return [c for c in self.conversations.values() if self.sees(c.state)]
