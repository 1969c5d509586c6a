"""One simulated world: accounts, conversations, and everything that may happen to them.

Law: mutations as methods, nothing else; `World` = what customers and administrators do (here), what
agents do (`Desk`) and what happens to many at once (`Bulk`), on one `Ground`.

What is shared is shared as at the providers: a contact's name, and at Leadping archiving and
disposition (they belong to the lead), at HighLevel tags and owner (they belong to the contact),
reach all conversations of that contact.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from watcher.simulator.bulk import Bulk
from watcher.simulator.desk import Desk
from watcher.simulator.state import Agent, Conversation, Direction, Impossible, Message

__all__ = ["World"]


class World(Desk, Bulk):
    """Accounts of all kinds under one clock, and `truth`, the log of what should be reported.

    `World(clock, seed)`: `clock` gives an aware datetime in UTC; the world reads nothing else. Two
    worlds of the same seed with the same calls are equal, ids included. A mutation that the
    provider has no such thing for raises `Impossible`.
    """

    def message(
        self, conversation: Conversation, text: str, direction: Direction = "inbound"
    ) -> None:
        """Write a message. An inbound one reopens what Chatwoot had resolved or snoozed."""
        state = conversation.state
        message = Message(self._line(), text, direction, self.now())
        if direction == "inbound":
            self._change(conversation, **self._inbound(state, message))
            return
        changes: dict[str, Any] = {"message": message}
        if direction == "outbound":
            changes |= {"waiting_since": None, "first_reply_at": state.first_reply_at or message.at}
        self._change(conversation, **changes)

    def edit(self, conversation: Conversation, text: str) -> None:
        """Change the words of the last message, which keeps its id and time. (Chatwoot puts other
        words in the place of a deleted message, too: message.rb touches the conversation.)
        """
        self._need(conversation, "an edited message", "chatwoot")
        message = conversation.state.message
        if message is None:
            raise Impossible("there is no message to edit")
        self._change(conversation, message=replace(message, text=text))

    def activity(self, conversation: Conversation, text: str = "Opportunity created") -> None:
        """Let the system write an activity line, which is no message."""
        self._change(conversation, line=text)

    def read(self, conversation: Conversation, by: Agent | None = None) -> None:
        """Open the conversation. Leadping's unread is per user: another agent's reading is theirs.

        Moves neither of Chatwoot's timestamps (update_columns).
        """
        if by is not None and conversation.account.kind == "leadping":
            readers = conversation.state.read_by | {by.id}
            self._change(conversation, touch=False, read_by=readers)
        else:
            seen: dict[str, Any] = {"seen_at": self.now(), "seen_line": self._lines}
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
        """Delete it for good; at Leadping the lead, with all its conversations."""
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, gone_at=self.now())

    def revoke_access(self, conversation: Conversation) -> None:
        """Take the conversation out of the token's sight (an inbox, a lead of somebody else)."""
        self._need(conversation, "access to single conversations", "leadping", "chatwoot")
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, touch=False, hidden=True)

    def grant_access(self, conversation: Conversation) -> None:
        """Give the conversation back into the token's sight."""
        self._need(conversation, "access to single conversations", "leadping", "chatwoot")
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, touch=False, hidden=False)

    def orphan(self, conversation: Conversation, orphaned: bool = True) -> None:
        """Half delete the contact: every Chatwoot page with this row answers 500 meanwhile."""
        self._need(conversation, "orphans", "chatwoot")
        self._change(conversation, touch=False, orphan=orphaned)
