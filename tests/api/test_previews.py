"""What a silence would have stopped: as the program would have decided it, of both stores alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.make import LEASE, at, commit, delivery, event, rule, settlement
from watcher.api.previews import MOST_PREVIEWED, preview_silence
from watcher.conditions import ExpressionError
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

NOW = at(3600)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "db")
    yield store
    await store.close()


async def sent(store: Store, *states: str) -> None:
    """Commit a message for each state, and settle it; `pending` is left."""
    for number, state in enumerate(states):
        source = "shop" if number % 2 else "sales"
        one = delivery(event(f"e{number}", source=source, seconds=number), rule="Loud")
        await store.commit(commit(one, source=source))
        if state != "pending":
            (claimed,) = await store.claim("team", NOW, lease=LEASE, limit=1)
            await store.settle([settlement(claimed, state)])


async def test_what_was_sent_or_given_up_counts_and_what_waits_apart(store: Store) -> None:
    await sent(store, "delivered", "dead", "cancelled", "delivered", "delivered", "pending")
    loud = rule(name="Loud").model_copy(update={"severity": "critical"})
    every = await preview_silence(store, "true", (loud,), None, NOW)
    assert (every["stopped"], every["sent"], every["waiting"], every["exact"]) == (4, 4, 1, True)
    assert every["receivers"] == [{"name": "team", "count": 4}]
    assert every["severities"] == [{"name": "critical", "count": 4}]
    assert [one["event"] for one in every["examples"]] == ["e4", "e3", "e1", "e0"]
    shop = await preview_silence(store, 'source == "shop"', (loud,), None, NOW)
    assert (shop["stopped"], shop["sent"], shop["waiting"]) == (2, 4, 1)
    severe = await preview_silence(store, 'severity == "critical"', (loud,), None, NOW)
    assert severe["stopped"] == 4
    gone = await preview_silence(store, 'severity == "critical"', (), None, NOW)
    assert gone["stopped"] == 0


async def test_older_messages_are_not_looked_at(store: Store) -> None:
    await sent(store, "delivered")
    later = await preview_silence(store, "true", (), None, at(86400 + 1))
    assert (later["stopped"], later["sent"]) == (0, 0)


async def test_a_message_that_another_rule_would_have_sent_is_not_stopped(store: Store) -> None:
    both = replace(delivery(rule="Loud"), candidates=("Loud", "Quiet"))
    await store.commit(commit(both))
    rules = (rule(name="Loud"), rule(name="Quiet"))
    one = await preview_silence(store, 'rule == "Loud"', rules, None, NOW)
    assert one["waiting"] == 0
    every = await preview_silence(store, 'rule in ["Loud", "Quiet"]', rules, None, NOW)
    assert every["waiting"] == 1


async def test_what_cannot_be_evaluated_stops_nothing(store: Store) -> None:
    await sent(store, "delivered")
    found = await preview_silence(store, 'conversation.contact.name == "x"', (), None, NOW)
    assert (found["stopped"], found["sent"]) == (0, 1)
    with pytest.raises(ExpressionError):
        await preview_silence(store, "sorce == 1", (), None, NOW)


async def test_of_very_many_the_newest_are_looked_at() -> None:
    store = MemoryStore()
    every = [delivery(event(f"e{number}")) for number in range(MOST_PREVIEWED + 5)]
    await store.commit(commit(*every))
    found = await preview_silence(store, "true", (), None, NOW)
    assert (found["waiting"], found["exact"]) == (MOST_PREVIEWED, False)
