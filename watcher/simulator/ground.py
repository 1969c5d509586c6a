"""The ground of the simulated world: its clock, its accounts, and the one way to change a state.

Law: no wall clock, and all chance comes from the seed. Every mutation goes through `Ground._change`,
so nothing happens that the truth log does not know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from random import Random
from typing import Any

from watcher.simulator.population import FIRST_STATUS, new_account, new_contact, opaque, past_state
from watcher.simulator.state import (
    Account,
    Activity,
    Contact,
    Conversation,
    Impossible,
    Inbox,
    Kind,
    Message,
    State,
    Viewer,
)
from watcher.simulator.truth import Truth

__all__ = ["Ground"]


class Ground:
    """What `World`'s mutations stand on; see there."""

    def __init__(self, clock: Callable[[], datetime], seed: int = 0) -> None:
        self.clock = clock
        self.rng = Random(seed)  # noqa: S311 - a reproducible world, no secret
        self.accounts: dict[str, Account] = {}
        self.truth = Truth()
        self._lines = 0

    def now(self) -> datetime:
        """Give the clock's time in whole milliseconds, the finest that every provider keeps."""
        now = self.clock()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)

    def open_account(
        self,
        kind: Kind,
        account_id: str,
        *,
        conversations: int = 0,
        token: str | None = None,
        viewer: Viewer | None = None,
    ) -> Account:
        """Open an account with so many conversations from the past; the truth stays silent.

        Leadway is HighLevel's server: open it as `highlevel`.
        """
        account = new_account(self.rng, kind, account_id, token, viewer)
        self.accounts[account.key] = account
        for _ in range(conversations):
            name, line = self._name(account), self._line()
            state = past_state(self.rng, account, name, line, self.now())
            account.conversations[name] = Conversation(account, state)
        return account

    def of_kind(self, kind: Kind) -> list[Account]:
        """Give the accounts at one provider."""
        return [account for account in self.accounts.values() if account.kind == kind]

    def create(
        self,
        account: Account,
        text: str | None = None,
        *,
        contact: Contact | None = None,
        inbox: Inbox | None = None,
        at: datetime | None = None,
    ) -> Conversation:
        """Begin a conversation, with an inbound message or empty; `contact` to share one."""
        at = at or self.now()
        state = State(
            id=self._name(account),
            contact=contact or new_contact(self.rng, account),
            inbox=inbox or self.rng.choice(account.inboxes),
            created_at=at,
            updated_at=at,
            status=FIRST_STATUS[account.kind],
        )
        if text is not None:
            state = replace(
                state, **self._inbound(state, Message(self._line(), text, "inbound", at))
            )
        conversation = Conversation(account, state)
        account.conversations[state.id] = conversation
        self.truth.note(self.now(), account, None, state)
        return conversation

    def _inbound(self, state: State, message: Message) -> dict[str, Any]:
        """Give what an inbound message changes."""
        changes: dict[str, Any] = {
            "message": message,
            "unread": state.unread + 1,
            "inbound": (*state.inbound, (message.at, message.id))[-12:],
            "read_by": frozenset(),
            "waiting_since": state.waiting_since or message.at,
        }
        if state.status in ("resolved", "snoozed"):
            changes |= {"status": "open", "archived": False, "snoozed_until": None}
        return changes

    def _change(
        self,
        conversation: Conversation,
        *,
        touch: bool = True,
        line: str | None = None,
        **changes: Any,
    ) -> None:
        """Make the next state, put it into the history and the truth. `line` is an activity's."""
        before, now = conversation.state, self.now()
        if touch:
            changes["updated_at"] = now
        if line is not None:
            written = Activity(self._line(), line, now)
            changes["activities"] = (*before.activities, written)[-8:]
        after = replace(before, **changes)
        conversation.become(after, now)
        self.truth.note(now, conversation.account, before, after)

    def _of_contact(self, conversation: Conversation, kind: Kind) -> list[Conversation]:
        """Give all conversations of the contact at that provider; elsewhere only this one."""
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
        if conversation.account.kind not in kinds:
            raise Impossible(f"{conversation.account.kind} has no such thing as {what}")

    def _line(self) -> int:
        self._lines += 1
        return self._lines

    def _name(self, account: Account) -> str:
        if account.kind != "chatwoot":
            return opaque(self.rng)
        return str(len(account.conversations) + 1)
