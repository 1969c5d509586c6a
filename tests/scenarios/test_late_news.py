"""After an outage of hours: one event for each change that stands, and rules that tell late from fresh."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from watcher.records import EventQuery
from watcher.simulator import faults

HOUR = 3600.0


def _waiting(provider: str) -> tuple[str, ...]:
    """Return who waits for an answer then; Leadping tells nothing of that."""
    return () if provider == "leadping" else ("busy", "answered", "fresh")


CONDITIONS = (
    "delay < 1800",
    'timestamp(observed.before) - timestamp(observed.after) < duration("30m")',
)


async def outage(harness: Harness, account: Any) -> dict[str, Any]:
    """Five hours in which nobody can look, and everything happens; gives the conversations by role."""
    names = ("busy", "answered", "quiet", "to and fro", "fresh")
    cast = dict(zip(names, account.conversations.values(), strict=False))
    for conversation in cast.values():
        harness.world.unarchive(conversation)
        harness.world.message(conversation, "Thank you, all is well.", "outbound")
        harness.world.read(conversation)
    async with harness.running():
        await harness.baseline()
        harness.faults[account.kind].plan(faults.status(503))
        await anyio.sleep(HOUR)
        for _ in range(6):
            harness.world.message(cast["busy"], "is anybody there?")
            await anyio.sleep(60)
        harness.world.message(cast["answered"], "hello?")
        await anyio.sleep(HOUR)
        harness.world.read(cast["answered"])
        harness.world.archive(cast["to and fro"])
        await anyio.sleep(HOUR)
        harness.world.unarchive(cast["to and fro"])
        await anyio.sleep(2 * HOUR)
        harness.faults[account.kind].clear()
        await anyio.sleep(HOUR)
        harness.world.message(cast["fresh"], "and now?")
        await anyio.sleep(600)
    return cast


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_stands_is_told_once_however_often_it_changed(
    harness: Harness, provider: str
) -> None:
    harness.poll_every = "2m"
    account = harness.watch(provider, "sales", "1", conversations=40)
    cast = await outage(harness, account)
    told = sorted((body["subject"], body["type"]) for body in harness.inbox.conversations)
    ids = {name: conversation.state.id for name, conversation in cast.items()}
    assert told == sorted(
        [
            (ids["busy"], "conversation.message"),
            (ids["busy"], "conversation.unread"),
            (ids["answered"], "conversation.message"),
            (ids["fresh"], "conversation.message"),
            (ids["fresh"], "conversation.unread"),
            *((ids[name], "conversation.waiting") for name in _waiting(provider)),
        ]
    )
    for body in harness.inbox.conversations:
        observed = {side: _read(at) for side, at in body["data"]["observed"].items()}
        happened = _read(body["data"]["conversation"]["last_message"]["at"])
        gap = observed["before"] - observed["after"]
        assert observed["after"] <= happened <= observed["before"]
        assert gap < timedelta(minutes=6) if body["subject"] == ids["fresh"] else gap > 4 * _HOUR


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("condition", CONDITIONS)
async def test_a_rule_tells_late_news_from_fresh(
    harness: Harness, provider: str, condition: str
) -> None:
    harness.poll_every = "2m"
    account = harness.watch(provider, "sales", "1", conversations=40)
    harness.rules = (
        f"- {{name: fresh, when: 'conversation.*', where: '{condition}', notify: crm}}\n"
        "- {name: about itself, when: 'source.*', where: delay == 0, notify: crm}"
    )
    cast = await outage(harness, account)
    fresh = {body["subject"] for body in harness.inbox.conversations}
    assert fresh == {cast["fresh"].state.id}
    assert len(await harness.store.events(EventQuery(types=("conversation.*",)))) == 5 + len(
        _waiting(provider)
    )
    own = [body["type"] for body in harness.inbox.bodies if body["type"].startswith("source.")]
    assert own == ["source.baselined", "source.failing", "source.recovered"]


_HOUR = timedelta(hours=1)


def _read(at: str) -> datetime:
    return datetime.fromisoformat(at.replace("Z", "+00:00"))
