"""One simulated world: accounts, conversations, and everything that may happen to them.

Rules: no wall clock, and all chance comes from the seed. What happens is remembered by the true time, and
stamped by the clock of its server, which may be off (`World.set_clock`). Every mutation goes through
`World._change`, so nothing happens that the truth log does not know.

What is shared is shared as at the providers: a contact's name, and at Leadping archiving and
disposition (they belong to the lead), at HighLevel tags and owner (they belong to the contact),
reach all conversations of that contact.

An `actor` is a person or an automation; Chatwoot writes an activity line, which moves
`last_activity_at`, only for one (activity_message_handler.rb and its siblings). What happens to many
conversations at once moves no timestamp (Chatwoot's agents/destroy_job.rb uses update_all,
labels/destroy_service.rb update_column, team.rb dependent: :nullify); HighLevel stamps the rows of a
bulk import with one millisecond.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

from watcher.simulator import people
from watcher.simulator.population import FIRST_STATUS, new_account, new_contact, opaque, past_state
from watcher.simulator.state import (
    Account,
    Activity,
    Agent,
    Attachment,
    Contact,
    Conversation,
    Direction,
    Disposition,
    Impossible,
    Inbox,
    Kind,
    Message,
    Part,
    State,
    Team,
    Viewer,
)
from watcher.simulator.truth import Truth
from watcher.simulator.versions import NEWEST, Version, can
from watcher.simulator.waiting import ANSWERS, NO_STAMPS, Sender, cleared, stamped

__all__ = ["World"]


class World:
    """Accounts of all kinds under one clock, and `truth`, the log of what should be reported.

    `World(clock, seed)`: `clock` returns an aware datetime in UTC; the world reads nothing else. Two
    worlds of the same seed with the same calls are equal, ids included. A mutation that a service
    does not have raises `Impossible`.
    """

    def __init__(self, clock: Callable[[], datetime], seed: int = 0) -> None:
        self.clock = clock
        self.rng = Random(seed)  # noqa: S311 - a reproducible world, no secret
        self.accounts: dict[str, Account] = {}
        self.truth = Truth()
        self._lines = 0

    def now(self) -> datetime:
        """Return the clock's time in whole milliseconds, the finest that every provider keeps."""
        now = self.clock()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def time_at(self, account: Account) -> datetime:
        """Return what the clock of the account's server says: every stamp is of it."""
        return self.now() + account.clock_off

    def set_clock(self, account: Account, off: float) -> None:
        """Put the server's clock so many seconds ahead of the true time, or (negative) behind it."""
        account.clock_off = timedelta(seconds=off)

    def open_account(
        self,
        kind: Kind,
        account_id: str,
        *,
        conversations: int = 0,
        token: str | None = None,
        viewer: Viewer | None = None,
        version: Version = NEWEST,
        clock_off: float = 0.0,
        first_number: int = 1,
    ) -> Account:
        """Open an account with this many conversations from the past, which are not in the truth.

        Leadway is HighLevel's server: open it as `highlevel`. `version` is that of a Chatwoot,
        `clock_off` the seconds by which the server's clock is ahead, `first_number` that of its first
        conversation: what was made before and comes into view later has a lower one, while there are any.
        """
        off = timedelta(seconds=clock_off)
        now = self.now() + off
        account = new_account(self.rng, kind, account_id, token, viewer, now, version)
        account.clock_off = off
        account.numbers = (first_number, first_number)
        self.accounts[account.key] = account
        for _ in range(conversations):
            name, line = self._name(account), self._line()
            state = past_state(self.rng, account, name, line, now)
            account.conversations[name] = Conversation(account, state)
        return account

    def install(self, account: Account, version: Version) -> None:
        """Put another version of Chatwoot in the place of the one that runs: a newer or an older one.

        The conversations stay what they are; what rows, orders and look-ups show of them changes.
        """
        self._need_of(account, "versions", "chatwoot")
        account.version = version

    def of_kind(self, kind: Kind) -> list[Account]:
        """Return the accounts at one provider."""
        return [account for account in self.accounts.values() if account.kind == kind]

    def create(
        self,
        account: Account,
        text: str | None = None,
        *,
        contact: Contact | None = None,
        inbox: Inbox | None = None,
        at: datetime | None = None,
        greeting: str | None = None,
    ) -> Conversation:
        """Begin a conversation, with an inbound message or empty; `contact` to share one.

        With `greeting` the inbox answers at once: nobody can see the customer's message as the last one.
        """
        at = at or self.time_at(account)
        state = self._begun(account, at, contact, inbox)
        if text is not None:
            written = Message(self._line(), text, "inbound", at)
            state = replace(state, **self._inbound(state, written))
            if greeting is not None:
                state = replace(state, **self._greeted(state, greeting, at))
        return self._put(account, state)

    def appear(
        self,
        account: Account,
        text: str | None = None,
        *,
        days: float = 30.0,
        contact: Contact | None = None,
        inbox: Inbox | None = None,
    ) -> Conversation:
        """Let a conversation come into view that was made so many days ago, and was read.

        With `text` its last message is of now, and unread; else as old as the conversation.
        """
        now = self.time_at(account)
        at = now - timedelta(days=days)
        state = self._begun(account, at, contact, inbox, old=True)
        old = Message(self._line(), self.rng.choice(people.ANSWERS), "outbound", at)
        state = replace(state, **self._outbound(state, old))
        if text is not None:
            written = Message(self._line(), text, "inbound", now)
            state = replace(state, updated_at=now, **self._inbound(state, written))
        return self._put(account, state, since=self.now())

    # What customers and administrators do.

    def message(
        self,
        conversation: Conversation,
        text: str | None,
        direction: Direction = "inbound",
        *,
        sender: Sender = "person",
        subject: str | None = None,
        attachments: tuple[Attachment, ...] = (),
        greeting: str | None = None,
    ) -> None:
        """Write a message. An inbound one reopens what Chatwoot had resolved or snoozed.

        `sender` says who wrote an outbound one; with `greeting` the inbox answers an inbound one in the
        same moment.
        """
        state, now = conversation.state, self.time_at(conversation.account)
        message = Message(self._line(), text, direction, now, sender, subject, attachments)
        if direction == "inbound":
            changes = self._inbound(state, message)
            if greeting is not None:
                changes |= self._greeted(replace(state, **changes), greeting, now)
        elif direction == "outbound":
            changes = self._outbound(state, message)
        else:
            changes = {**_written(state, message), "manual_at": now}
        self._change(conversation, **changes)

    def greet(
        self, conversation: Conversation, text: str = "Thank you, we will be with you soon."
    ) -> None:
        """Let the inbox write by itself: a greeting, or that nobody is there."""
        self.message(conversation, text, "outbound", sender="greeting")

    def answer(
        self, conversation: Conversation, text: str = "Here you are.", by: Sender = "person"
    ) -> None:
        """Answer as a person, in the phone's own app, or as one of the machines."""
        self.message(conversation, text, "outbound", sender=by)

    def attach(
        self,
        conversation: Conversation,
        attachments: tuple[Attachment, ...] = ("image",),
        text: str | None = None,
        direction: Direction = "inbound",
    ) -> None:
        """Send something besides words, or without any."""
        self.message(conversation, text, direction, attachments=attachments)

    def retract(self, conversation: Conversation) -> None:
        """Retract the last message: Chatwoot puts other words in its place."""
        self._need(conversation, "a deleted message", "chatwoot")
        message = conversation.state.message
        if message is None:
            raise Impossible("there is no message to take back")
        words = "This message was deleted"
        gone = replace(message, text=words, attachments=(), deleted=True)
        self._reword(conversation, gone)

    def edit(self, conversation: Conversation, text: str) -> None:
        """Change the words of the last message, which keeps its id and time."""
        self._need(conversation, "an edited message", "chatwoot")
        message = conversation.state.message
        if message is None:
            raise Impossible("there is no message to edit")
        self._reword(conversation, replace(message, text=text))

    def activity(self, conversation: Conversation, text: str = "Opportunity created") -> None:
        """Let the system write an activity line, which is not a message."""
        self._change(conversation, line=text)

    def read(self, conversation: Conversation, by: Agent | None = None) -> None:
        """Open the conversation. Leadping's unread is per user: another agent's reading is theirs.

        Moves neither of Chatwoot's timestamps (update_columns).
        """
        if by is not None and conversation.account.kind == "leadping":
            readers = conversation.state.read_by | {by.id}
            self._change(conversation, touch=False, read_by=readers)
        else:
            now = self.time_at(conversation.account)
            seen: dict[str, Any] = {"seen_at": now, "seen_line": self._lines}
            self._change(conversation, touch=False, unread=0, **seen)

    def mark_unread(self, conversation: Conversation) -> None:
        """Mark it unread; Chatwoot sets its stamp a second before the last incoming message."""
        state = conversation.state
        changes: dict[str, Any] = {"unread": max(1, state.unread)}
        if state.inbound:
            stamp = state.inbound[-1][0] - timedelta(seconds=1)
            seen = [line for at, line in state.inbound if at <= stamp]
            changes |= {"seen_at": stamp, "seen_line": max(seen, default=0)}
        self._change(conversation, touch=False, **changes)

    def rename_contact(
        self,
        conversation: Conversation,
        name: str | None = None,
        email: str | None = None,
        phone: str | None = None,
    ) -> None:
        """Edit the contact (None keeps, an empty text clears); it moves no conversation's clock."""
        given = {"name": name, "email": email, "phone": phone}
        edit: dict[str, Any] = {
            key: value or None for key, value in given.items() if value is not None
        }
        contact = replace(conversation.state.contact, **edit)
        for each in self._of_contact(conversation, conversation.account.kind):
            self._change(each, touch=False, contact=contact)

    def set_attribute(self, conversation: Conversation, key: str, value: object) -> None:
        """Set one of the provider's own extras, or take it away with None.

        Chatwoot: a custom attribute. HighLevel: `companyName`, `opportunity_status` (noise).
        Leadping: `activeOutboundPhoneNumberId`, or `nextStep` and `statusReason` (noise).
        """
        kept = {k: v for k, v in conversation.state.attributes.items() if k != key}
        attributes = kept if value is None else kept | {key: value}
        self._change(conversation, attributes=attributes)

    def delete(self, conversation: Conversation) -> None:
        """Delete it; at Leadping the lead, with all its conversations."""
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, gone_at=self.time_at(each.account), orphan=False)

    def delete_contact(self, conversation: Conversation) -> None:
        """Delete the contact with all its conversations."""
        for each in self._of_contact(conversation, conversation.account.kind):
            self._change(each, gone_at=self.time_at(each.account), orphan=False)

    def delete_step(self, conversation: Conversation, *, with_contact: bool = False) -> bool:
        """Take the next step of a deletion, of the contact too, as servers do it in jobs; return whether it
        is gone.

        First the messages are gone from the rows, then pages and look-ups answer 500, then nothing is
        left. The truth knows the last step alone.
        """
        state = conversation.state
        kind = conversation.account.kind if with_contact else "leadping"
        for each in self._of_contact(conversation, kind):
            if state.orphan:
                self._change(each, gone_at=self.time_at(each.account), orphan=False)
            elif "messages" in state.torn:
                self._change(each, touch=False, orphan=True)
            else:
                self._change(each, touch=False, torn=frozenset({"messages"}))
        return conversation.state.gone_at is not None

    def lose(self, conversation: Conversation) -> None:
        """Let the last message be gone for good: the one before it is the last one again."""
        rest = conversation.state.recent[:-1]
        self._change(conversation, touch=False, message=rest[-1] if rest else None, recent=rest)

    def tear(self, conversation: Conversation, parts: tuple[Part, ...] = ("messages",)) -> None:
        """Let rows lack some parts until `mend`: an answer that was read in a bad moment."""
        self._change(conversation, touch=False, torn=frozenset(parts))

    def mend(self, conversation: Conversation) -> None:
        """Let rows show again what `tear` hid from them."""
        self._change(conversation, touch=False, torn=frozenset())

    def revoke_access(self, conversation: Conversation) -> None:
        """Hide the conversation from the token (another agent's inbox or lead)."""
        self._need(conversation, "access to single conversations", "leadping", "chatwoot")
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, touch=False, hidden=True)

    def grant_access(self, conversation: Conversation) -> None:
        """Let the token see the conversation again."""
        self._need(conversation, "access to single conversations", "leadping", "chatwoot")
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, touch=False, hidden=False)

    def orphan(self, conversation: Conversation, orphaned: bool = True) -> None:
        """Half delete the contact: every page with this row answers 500 meanwhile, and its look-up."""
        self._change(conversation, touch=False, orphan=orphaned)

    # What agents do.

    def assign(
        self, conversation: Conversation, agent: Agent | None, *, actor: bool = True
    ) -> None:
        """Assign, reassign or (None) unassign.

        With `actor`, a person or an automation did it: Chatwoot then writes an activity line,
        which moves `last_activity_at` a little later. Without (round robin) it does not.
        """
        self._need(conversation, "an assignee", "highlevel", "chatwoot")
        before = conversation.state.assignee
        bots = (agent is None or agent.bot) and (before is None or before.bot)
        name = "nobody" if agent is None else agent.name
        line = f"Assigned to {name} by Grace Hill" if actor and not bots else None
        for each in self._of_contact(conversation, "highlevel"):
            self._change(each, line=self._chatwoot(each, line), assignee=agent)

    def set_team(
        self, conversation: Conversation, team: Team | None, *, actor: bool = True
    ) -> None:
        """Assign the conversation to a team, or to none."""
        self._need(conversation, "a team", "chatwoot")
        line = f"Assigned to {team.name if team else 'no team'} by Grace Hill" if actor else None
        self._change(conversation, line=line, team=team)

    def archive(self, conversation: Conversation, reason: int | str | None = None) -> None:
        """Put the conversation away: Leadping archives the lead, Chatwoot resolves.

        `reason` is Leadping's number 0..9; at HighLevel `inbox` (default: out of the inbox) or
        `trash` (`deleted` true).
        """
        kind = conversation.account.kind
        if kind == "chatwoot":
            self.set_status(conversation, "resolved")
            return
        default: int | str = 1 if kind == "leadping" else "inbox"
        put: dict[str, Any] = {
            "archived_at": self.time_at(conversation.account),
            "archive_reason": default if reason is None else reason,
        }
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, archived=True, **put)

    def unarchive(self, conversation: Conversation) -> None:
        """Unarchive the conversation; Chatwoot reopens it."""
        if conversation.account.kind == "chatwoot":
            self.set_status(conversation, "open")
            return
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, archived=False, archived_at=None, archive_reason=None)

    def set_status(
        self, conversation: Conversation, status: str | None, *, actor: bool = True
    ) -> None:
        """Set the provider's status word; `resolved` is Chatwoot's archive."""
        self._need(conversation, "a status", "leadping", "chatwoot")
        if conversation.account.kind == "leadping":
            self._change(conversation, status=status)
            return
        resolved = status == "resolved"
        line = f"Conversation was marked {status} by Grace Hill" if actor else None
        changes: dict[str, Any] = {"status": status, "archived": resolved, "snoozed_until": None}
        if resolved:
            changes["stamps"] = cleared(conversation.state.stamps, "resolved")
        self._change(conversation, line=line, **changes)

    def snooze(self, conversation: Conversation, until: datetime | None = None) -> None:
        """Snooze at Chatwoot until a time, or (None) until the next reply."""
        self._need(conversation, "snoozing", "chatwoot")
        line = "Conversation was snoozed by Grace Hill"
        changes: dict[str, Any] = {"status": "snoozed", "archived": False, "snoozed_until": until}
        self._change(conversation, line=line, **changes)

    def snooze_expires(self, conversation: Conversation) -> None:
        """Reopen a snoozed conversation as Chatwoot's job does: without an actor's line."""
        self._need(conversation, "snoozing", "chatwoot")
        self.set_status(conversation, "open", actor=False)

    def set_disposition(  # the names are the contract's
        self,
        conversation: Conversation,
        id: str | None,  # noqa: A002
        label: str = "",
        outcome: str | None = None,
        by: str | None = None,
        category: str | None = None,
    ) -> None:
        """Set the lead's disposition (Leadping's lead status), or clear it with `id` None."""
        self._need(conversation, "a disposition", "leadping")
        now = self.time_at(conversation.account)
        chosen = None if id is None else Disposition(id, label, outcome, category, now, by)
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, disposition=chosen)

    def set_labels(
        self, conversation: Conversation, labels: Sequence[str], *, actor: bool = True
    ) -> None:
        """Set Chatwoot's labels, or the tags of a HighLevel contact."""
        self._need(conversation, "labels", "highlevel", "chatwoot")
        line = f"Grace Hill set {', '.join(labels) or 'no label'}" if actor else None
        for each in self._of_contact(conversation, "highlevel"):
            self._change(each, line=self._chatwoot(each, line), labels=tuple(labels))

    def set_priority(self, conversation: Conversation, priority: str | None) -> None:
        """Set low, medium, high, urgent or none; Chatwoot always writes a line about it."""
        self._need(conversation, "a priority", "chatwoot")
        if not can(conversation.account.version, "priorities"):
            raise Impossible("this version of Chatwoot has no such thing as a priority")
        line = f"Grace Hill set the priority to {priority or 'none'}"
        self._change(conversation, line=line, priority=priority)

    def star(self, conversation: Conversation, starred: bool = True) -> None:
        """Star a HighLevel conversation."""
        self._need(conversation, "a star", "highlevel")
        self._change(conversation, starred=starred)

    def follow(self, conversation: Conversation, agent: Agent, following: bool = True) -> None:
        """Let an agent follow a HighLevel conversation, or stop to."""
        self._need(conversation, "followers", "highlevel")
        others = tuple(one for one in conversation.state.followers if one != agent.id)
        self._change(conversation, followers=(*others, agent.id) if following else others)

    # What happens to many conversations at once.

    def remove_agent(self, account: Account, agent: Agent) -> list[Conversation]:
        """Remove an agent: their conversations become unassigned, and no timestamp moves."""
        if account.kind == "leadping":
            raise Impossible("leadping has no such thing as an assignee")
        account.agents.remove(agent)
        theirs = [c for c in _existing(account) if c.state.assignee == agent]
        for conversation in theirs:
            self._change(conversation, touch=False, assignee=None)
        return theirs

    def delete_label(self, account: Account, label: str) -> list[Conversation]:
        """Delete a label (a HighLevel tag) everywhere; no timestamp moves. On old versions of Chatwoot
        the conversations keep it.
        """
        account.labels.remove(label)
        if account.kind == "chatwoot" and not can(account.version, "strips labels"):
            return []
        labelled = [c for c in _existing(account) if label in c.state.labels]
        for conversation in labelled:
            rest = tuple(one for one in conversation.state.labels if one != label)
            self._change(conversation, touch=False, labels=rest)
        return labelled

    def delete_team(self, account: Account, team: Team) -> list[Conversation]:
        """Delete a team; its conversations have none, and no timestamp moves."""
        account.teams.remove(team)
        theirs = [c for c in _existing(account) if c.state.team == team]
        for conversation in theirs:
            self._change(conversation, touch=False, team=None)
        return theirs

    def import_conversations(
        self, account: Account, n: int, *, same_timestamp: bool = True, text: str | None = None
    ) -> list[Conversation]:
        """Import n conversations, empty or with one message, all in one millisecond or each in its own.

        An empty one has no last event at Leadping (null); at HighLevel it is a `TYPE_NO_SHOW`.
        """
        now = self.time_at(account)
        step = timedelta(milliseconds=0 if same_timestamp else 1)
        return [self.create(account, text, at=now - step * (n - 1 - i)) for i in range(n)]

    # How a change is made.

    def _inbound(self, state: State, message: Message) -> dict[str, Any]:
        """Return what an inbound message changes."""
        changes: dict[str, Any] = {
            **_written(state, message),
            "unread": state.unread + 1,
            "inbound": (*state.inbound, (message.at, message.id))[-100:],
            "read_by": frozenset(),
            "asked_at": state.waiting_since or message.at,
            "stamps": stamped(state.stamps, message.at),
            "manual_at": message.at,
            "mail_subject": state.mail_subject or message.subject,
        }
        if state.status in ("resolved", "snoozed"):
            changes |= {"status": "open", "archived": False, "snoozed_until": None}
        return changes

    @staticmethod
    def _outbound(state: State, message: Message) -> dict[str, Any]:
        """Return what an outbound message changes: a person's ends the wait."""
        changes: dict[str, Any] = {
            **_written(state, message),
            "outbound_by": message.sender,
            "stamps": cleared(state.stamps, message.sender),
        }
        if message.sender in ANSWERS:
            changes |= {
                "asked_at": None,
                "first_reply_at": state.first_reply_at or message.at,
                "manual_at": message.at,
            }
        return changes

    def _reword(self, conversation: Conversation, message: Message) -> None:
        """Put the last message in other words; old versions touch the conversation for that."""
        touch = not can(conversation.account.version, "edits move nothing")
        recent = (*conversation.state.recent[:-1], message)
        self._change(conversation, touch=touch, message=message, recent=recent)

    def _greeted(self, state: State, text: str, at: datetime) -> dict[str, Any]:
        return self._outbound(state, Message(self._line(), text, "outbound", at, "greeting"))

    def _begun(
        self,
        account: Account,
        at: datetime,
        contact: Contact | None,
        inbox: Inbox | None,
        *,
        old: bool = False,
    ) -> State:
        """Return a conversation in which nobody has written yet."""
        return State(
            id=self._name(account, old=old),
            contact=contact or new_contact(self.rng, account),
            inbox=inbox or self.rng.choice(account.inboxes),
            created_at=at,
            updated_at=at,
            status=FIRST_STATUS[account.kind],
            stamps=stamped(NO_STAMPS, at),
        )

    def _put(self, account: Account, state: State, since: datetime | None = None) -> Conversation:
        conversation = Conversation(account, state, since)
        account.conversations[state.id] = conversation
        self.truth.note(self.now(), account, None, state)
        return conversation

    def _change(
        self,
        conversation: Conversation,
        *,
        touch: bool = True,
        line: str | None = None,
        **changes: Any,
    ) -> None:
        """Make the next state, put it into the history and the truth. `line` is an activity's."""
        before, now = conversation.state, self.time_at(conversation.account)
        if touch:
            changes["updated_at"] = now
        if line is not None:
            written = Activity(self._line(), line, now)
            changes["activities"] = (*before.activities, written)[-8:]
        after = replace(before, **changes)
        conversation.become(after, self.now())
        self.truth.note(self.now(), conversation.account, before, after)

    def _of_contact(self, conversation: Conversation, kind: Kind) -> list[Conversation]:
        """Return all conversations of the contact at that provider; elsewhere only this one."""
        account, contact = conversation.account, conversation.state.contact.id
        if account.kind != kind:
            return [conversation]
        return [
            each
            for each in account.conversations.values()
            if each.state.contact.id == contact and each.state.gone_at is None
        ]

    @staticmethod
    def _chatwoot(conversation: Conversation, line: str | None) -> str | None:
        return line if conversation.account.kind == "chatwoot" else None

    @staticmethod
    def _need(conversation: Conversation, what: str, *kinds: Kind) -> None:
        World._need_of(conversation.account, what, *kinds)

    @staticmethod
    def _need_of(account: Account, what: str, *kinds: Kind) -> None:
        if account.kind not in kinds:
            raise Impossible(f"{account.kind} has no such thing as {what}")

    def _line(self) -> int:
        self._lines += 1
        return self._lines

    def _name(self, account: Account, *, old: bool = False) -> str:
        """Return an id: Chatwoot counts conversations as they are made."""
        if account.kind != "chatwoot":
            return opaque(self.rng)
        low, high = account.numbers
        if old and low > 1:
            account.numbers = low - 1, high
            return str(low - 1)
        account.numbers = low, high + 1
        return str(high)


def _written(state: State, message: Message) -> dict[str, Any]:
    """Return what every message changes that comes after the others."""
    return {"message": message, "recent": (*state.recent, message)[-10:]}


def _existing(account: Account) -> list[Conversation]:
    return [c for c in account.conversations.values() if c.state.gone_at is None]
