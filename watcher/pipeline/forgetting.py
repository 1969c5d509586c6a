"""What stays of a conversation that is gone, and of a source that is no longer watched.

Rules: pure. After `conversation.removed` a snapshot keeps what its return depends on: the numbers of its
events, so that no id is given twice; who waited; and by what a row is known to be torn, of which the words
are fingerprints and the contact is only known to have been there. After `retention.events` the numbers alone
stay, for good: an event of a conversation that comes back years later must not have an id that its receiver
has seen. A source that was not looked at for so long loses its conversations whole: should it come back, it
begins with a new baseline, whose number keeps its ids apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from datetime import datetime

from watcher.fingerprints import PRESENT, apart, restored, withheld_conversation
from watcher.model import NO_EVIDENCE, Contact, Conversation, Snapshot
from watcher.records import Commit, SourceState

__all__ = ["nothing_but_numbers", "removed", "unwatched"]

KEPT = ("unread", "unread_count", "archived", "last_activity_at", "last_message")
"""The fields that a row of a removed conversation is compared with: states and times, no names."""


def removed(snapshot: Snapshot, key: bytes) -> Snapshot:
    """Return what is kept of a conversation that is gone."""
    was = restored(snapshot.conversation, snapshot.prints)
    contact = {
        one.name: PRESENT
        for one in dataclasses.fields(Contact)
        if getattr(was.contact, one.name) is not None
    }
    kept = Conversation(
        id=was.id,
        contact=Contact(**contact),
        waiting_since=was.waiting_since,
        **{name: getattr(was, name) for name in KEPT},
    )
    shown, prints = apart(withheld_conversation(kept, key))
    return dataclasses.replace(
        snapshot,
        conversation=shown,
        prints=prints,
        seen=snapshot.seen & frozenset(KEPT),
        present=False,
        doubt=None,
    )


def nothing_but_numbers(snapshot: Snapshot) -> Snapshot:
    """Return what ids need of a conversation that has been gone for long."""
    return dataclasses.replace(
        snapshot,
        conversation=Conversation(id=snapshot.conversation.id),
        prints={},
        seen=frozenset(),
        message_id=None,
        evidence=NO_EVIDENCE,
        doubt=None,
    )


def unwatched(
    states: Iterable[SourceState], watched: Iterable[str], before: datetime, now: datetime
) -> Iterator[Commit]:
    """Yield what forgets each source that is not `watched`, and was not looked at since `before`."""
    names = {*watched, ""}  # the watcher itself has a state, too
    for state in states:
        looked = [at for at in (state.baselined, state.polled, state.swept) if at is not None]
        if state.name in names or not looked or max(looked) >= before:
            continue
        # That it failed was told, so that its end can be told should it come back.
        bare = SourceState(
            state.name,
            state.provider,
            state.account,
            counts=state.counts,
            mapping=state.mapping,
            failing=state.failing,
        )
        yield Commit(state.name, bare, forget=True, at=now)
