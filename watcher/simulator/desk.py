"""What agents do with conversations: assign, archive, label, snooze, give a disposition.

Law: a part of `World`; it changes states only through `Ground._change`. An `actor` is a person or
an automation; Chatwoot writes an activity line, which moves `last_activity_at`, only for one
(activity_message_handler.rb and its siblings).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from watcher.simulator.ground import Ground
from watcher.simulator.state import Agent, Conversation, Disposition, Team

__all__ = ["Desk"]


class Desk(Ground):
    """The agents' part of `World`."""

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
        """Hand the conversation to a team, or to none."""
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
            "archived_at": self.now(),
            "archive_reason": default if reason is None else reason,
        }
        for each in self._of_contact(conversation, "leadping"):
            self._change(each, archived=True, **put)

    def unarchive(self, conversation: Conversation) -> None:
        """Take the conversation out again; Chatwoot reopens it."""
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
            changes["waiting_since"] = None
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
        """Give the lead a disposition (Leadping's lead status), or take it away with `id` None."""
        self._need(conversation, "a disposition", "leadping")
        chosen = None if id is None else Disposition(id, label, outcome, category, self.now(), by)
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
