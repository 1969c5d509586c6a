"""The store's border: what is about to be stored loses the secrets that it quotes.

Rules: pure. Scrubbed is what others said about us: reasons and remedies of troubles, holds and events
about the watcher itself, notes and excerpts of attempts. What people wrote in a conversation is stored
as it is: a text that changed when a token is renewed would be news that nobody wrote.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from watcher.model import Event
from watcher.records import Commit, HistoryEntry, ReceiverState, Settlement, SourceState

__all__ = ["Scrub", "commit_without", "receiver_without", "settlement_without"]

Scrub = Callable[[str], str]

_T = TypeVar("_T")


def commit_without(commit: Commit, scrub: Scrub) -> Commit:
    """Return a commit whose events and state quote no secret."""
    events = tuple(_event(one, scrub) for one in commit.events)
    deliveries = tuple(
        replace(one, event=event, note=scrub(one.note))
        if (event := _event(one.event, scrub)) is not one.event or scrub(one.note) != one.note
        else one
        for one in commit.deliveries
    )
    state = None if commit.state is None else _source(commit.state, scrub)
    return replace(commit, state=state, events=events, deliveries=deliveries)


def settlement_without(settlement: Settlement, scrub: Scrub) -> Settlement:
    """Return a settlement whose note and line of history quote no secret."""
    note, entry = scrub(settlement.note), settlement.entry
    if entry is not None:
        entry = _entry(entry, scrub, note if entry.note == settlement.note else scrub(entry.note))
    if note == settlement.note and entry is settlement.entry:
        return settlement
    return replace(settlement, note=note, entry=entry)


def receiver_without(state: ReceiverState, scrub: Scrub) -> ReceiverState:
    """Return a receiver's state that quotes no secret."""
    return replace(
        state, failing=_said(state.failing, scrub), off=scrub(state.off), why=scrub(state.why)
    )


def _source(state: SourceState, scrub: Scrub) -> SourceState:
    if state.failing is None and state.hold is None:
        return state
    return replace(state, failing=_said(state.failing, scrub), hold=_said(state.hold, scrub))


def _said(what: _T, scrub: Scrub) -> _T:
    """Scrub the reason and the remedy of a trouble or a hold."""
    if what is None:
        return what
    words: Any = what
    changed: _T = replace(words, reason=scrub(words.reason), remedy=scrub(words.remedy))
    return changed


def _entry(entry: HistoryEntry, scrub: Scrub, note: str) -> HistoryEntry:
    excerpt = scrub(entry.excerpt)
    if (note, excerpt) == (entry.note, entry.excerpt):
        return entry
    return replace(entry, note=note, excerpt=excerpt)


def _event(event: Event, scrub: Scrub) -> Event:
    if event.subject is not None:  # about a conversation
        return event
    said = {
        key: scrub(value)
        for key, value in event.data.items()
        if key in ("reason", "remedy") and isinstance(value, str)
    }
    if all(event.data[key] == value for key, value in said.items()):
        return event
    return replace(event, data={**event.data, **said})
