"""What happens to many conversations at once, behind the back of every timestamp.

Law: a part of `World`, it changes states only through `Ground._change`.
Sources: Chatwoot's agents/destroy_job.rb (update_all), labels/destroy_service.rb (update_column),
team.rb (dependent: :nullify); HighLevel stamps a bulk import's rows with one millisecond.
"""

from __future__ import annotations

from datetime import timedelta

from watcher.simulator.ground import Ground
from watcher.simulator.state import Account, Agent, Conversation, Impossible, Team

__all__ = ["Bulk"]


class Bulk(Ground):
    """The bulk mutations of `World`."""

    def remove_agent(self, account: Account, agent: Agent) -> list[Conversation]:
        """Remove an agent: what was theirs is nobody's, and no timestamp moves."""
        if account.kind == "leadping":
            raise Impossible("leadping has no such thing as an assignee")
        account.agents.remove(agent)
        theirs = [c for c in _existing(account) if c.state.assignee == agent]
        for conversation in theirs:
            self._change(conversation, touch=False, assignee=None)
        return theirs

    def delete_label(self, account: Account, label: str) -> list[Conversation]:
        """Delete a label (a HighLevel tag) everywhere; no timestamp moves."""
        account.labels.remove(label)
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
        now = self.now()
        step = timedelta(milliseconds=0 if same_timestamp else 1)
        return [self.create(account, text, at=now - step * (n - 1 - i)) for i in range(n)]


def _existing(account: Account) -> list[Conversation]:
    return [c for c in account.conversations.values() if c.state.gone_at is None]
