"""Listings that show rows strangely: many in one millisecond, not at all for a while, twice, late,
or without a key. Nothing lost, nothing invented, and no look-up more than it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from tests.scenarios.listings import edit
from watcher.simulator import Fault, chatwoot, leadconnector, lively

# -- ties, rows that come and go, rows twice


async def test_a_page_of_one_millisecond_is_walked_whole(harness: Harness) -> None:
    """A campaign writes to everybody at once: more rows of one millisecond than a page holds."""
    harness.poll_every, harness.sweep_every = "1m", "5m"
    account = harness.watch("highlevel", "sales", "1", conversations=170)
    async with harness.running():
        await harness.baseline()
        for _ in range(2):
            for conversation in account.living()[:150]:
                harness.world.message(conversation, "our offer", "outbound")
            await anyio.sleep(900)
            harness.world.delete(account.living()[70])
            harness.world.star(account.living()[71])
            await anyio.sleep(900)
    assert harness.got() == harness.expect()
    assert harness.inbox.own == ["source.baselined"]


async def test_rows_alike_in_everything_that_can_be_asked_for_are_a_reported_hole(
    harness: Harness,
) -> None:
    """150 empty rows of one import, which the provider's filters cannot tell apart."""
    harness.poll_every, harness.sweep_every = "1m", "5m"
    account = harness.watch("highlevel", "sales", "1", conversations=20)
    harness.world.import_conversations(account, 150)
    await anyio.sleep(60)
    began = harness.clock()
    async with harness.running():
        await harness.baseline()
        assert harness.inbox.own == ["source.baselined", "source.held"]
        assert "cannot be walked whole" in harness.inbox.of("source.held")[0]["data"]["reason"]
        harness.world.message(account.living()[3], "hello?")
        await anyio.sleep(900)
    assert harness.got() == harness.expect(began)


async def test_a_row_that_drops_out_of_one_search_and_returns_is_no_change(
    harness: Harness,
) -> None:
    harness.poll_every, harness.sweep_every = "1m", "2m"
    harness.options["highlevel"] = leadconnector.Options(drop_out=frozenset(range(3, 9000, 4)))
    harness.watch("highlevel", "sales", "1", conversations=130)
    async with harness.running():
        await harness.baseline()
        script = lively(harness.world, Random(11))
        for _ in range(15):
            script.step()
            await anyio.sleep(300)
        harness.faults["highlevel"].clear()
        await anyio.sleep(1200)
    kinds = {body["type"] for body in harness.inbox.conversations}
    assert len(kinds) > 3
    assert harness.got() == harness.expect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_rows_that_come_twice_within_and_across_pages_are_told_once(
    harness: Harness, provider: str
) -> None:
    harness.poll_every, harness.sweep_every = "1m", "3m"
    harness.watch(provider, "sales", "1", conversations=60)
    last: list[Any] = []

    def repeat(rows: list[Any]) -> list[Any]:
        before, last[:] = list(last), rows[-2:]
        ids = {row["id"] for row in rows}
        across = [row for row in before if row["id"] not in ids]
        return [*across, *rows, *rows[:3]] if provider != "highlevel" else [*rows, *rows[-1:]]

    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(edit(provider, repeat), _lists)
        script = lively(harness.world, Random(5))
        for _ in range(12):
            script.step()
            await anyio.sleep(400)
        harness.faults[provider].clear()
        await anyio.sleep(900)
    assert len({body["id"] for body in harness.inbox.conversations}) == len(
        harness.inbox.conversations
    )
    subjects = [entry.conversation for entry in harness.world.truth.find()]
    assert {body["subject"] for body in harness.inbox.conversations} == set(subjects)


def _lists(seen: Any) -> bool:
    return seen.path.endswith(("/my", "/search", "/conversations"))


# -- an index that lags, activity lines that come later


@pytest.mark.parametrize("lag", [5.0, 25.0])
async def test_a_lagging_search_beside_immediate_look_ups_invents_nothing(
    harness: Harness, lag: float
) -> None:
    harness.sweep_every = "2m"
    harness.options["highlevel"] = leadconnector.Options(index_delay=lag)
    harness.watch("highlevel", "sales", "1", conversations=60)
    async with harness.running():
        await anyio.sleep(600)
        script = lively(harness.world, Random(23))
        for _ in range(12):
            script.step()
            await anyio.sleep(400)
        await anyio.sleep(600)
    assert harness.got() == harness.expect()


async def test_activity_lines_that_come_later_are_no_messages_and_hide_nothing(
    harness: Harness,
) -> None:
    harness.sweep_every = "1d"
    harness.options["chatwoot"] = chatwoot.Options(activity_delay=55.0)
    account = harness.watch("chatwoot", "sales", "1", conversations=30)
    async with harness.running():
        await harness.baseline()
        for number, conversation in enumerate(account.living()[:8]):
            harness.world.assign(conversation, account.agents[number % len(account.agents)])
            await anyio.sleep(10)
            harness.world.set_priority(conversation, "urgent")
            await anyio.sleep(200)
            harness.world.set_labels(conversation, ["later"])
            await anyio.sleep(200)
    told = {body["type"] for body in harness.inbox.conversations}
    assert "conversation.message" not in told
    assert {"conversation.priority_changed", "conversation.labels_changed"} <= told
    seen = [row[:2] for row in harness.got()]
    assert sorted(seen) == sorted(row[:2] for row in harness.expect())


# -- look-ups

LOOK_UPS = {
    "chatwoot": ["/api/v1/accounts/1/conversations/{id}"],
    "highlevel": ["/conversations/search", "/conversations/{id}"],
    "leadping": ["/conversations/lead/{lead}", "/conversations/lead/{lead}", "/leads/{lead}"],
}
"""What is asked about a row that a sweep lacked, the least telling question last: lists first, for
they show a row that only moved; the provider's word that it is deleted settles the rest."""


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_suspect_costs_no_more_look_ups_than_it_takes_to_prove(
    harness: Harness, provider: str
) -> None:
    harness.poll_every, harness.sweep_every = "1m", "5m"
    account = harness.watch(provider, "sales", "1", conversations=8)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(10)
        gone = account.living()[3]
        alone = [c for c in account.living() if c.state.contact.id == gone.state.contact.id]
        harness.world.delete(gone)
        before = len(harness.faults[provider].log)
        await anyio.sleep(3600)
        log = harness.faults[provider].log[before:]
    assert harness.got() == harness.expect()
    names = {"id": gone.id, "lead": gone.state.contact.id}
    asked = [path.format(**names) for path in LOOK_UPS[provider]]
    about = [
        seen.path
        for seen in log
        if names["id"] in (*seen.path.split("/"), seen.params.get("id"))
        or f"/{names['lead']}" in seen.path
    ]
    if provider == "highlevel":  # its id sets suspect the row before the sweep does
        suspicions = about.count(asked[0]) - 1
        assert suspicions <= 2 * len(("unread", "unassigned"))
        about = about[suspicions:]
    assert about == asked * len(alone)


# -- keys that vanish or are renamed

VANISHING: Mapping[str, tuple[bytes, bytes]] = {
    "leadping": (b'"lastSnippet"', b'"latestSnippet"'),
    "highlevel": (b'"unreadCount"', b'"countOfUnread"'),
    "chatwoot": (b'"labels"', b'"tags"'),
}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_key_that_vanishes_everywhere_is_told_and_changes_nothing(
    harness: Harness, provider: str
) -> None:
    harness.poll_every, harness.sweep_every = "1m", "3m"
    harness.watch(provider, "sales", "1", conversations=60)
    old, new = VANISHING[provider]
    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(Fault(alter=lambda body: body.replace(old, new)))
        await anyio.sleep(3600)
        assert harness.inbox.own == ["source.baselined", "source.failing"]
        assert old.decode().strip('"') in harness.inbox.of("source.failing")[0]["data"]["reason"]
        harness.faults[provider].clear()
        await anyio.sleep(900)
    assert harness.inbox.conversations == []
    assert harness.inbox.own[-1] == "source.recovered"


async def test_leadpings_rename_is_no_change(harness: Harness) -> None:
    harness.sweep_every = "3m"
    account = harness.watch("leadping", "sales", "1", conversations=30)
    for conversation in account.living()[:10]:
        harness.world.set_disposition(conversation, "d7", "Won", "won")
    await anyio.sleep(1)
    began = harness.clock()
    async with harness.running():
        await harness.baseline()
        renamed = Fault(
            alter=lambda body: body.replace(b'"currentLeadStatus"', b'"currentDisposition"')
        )
        harness.faults["leadping"].plan(renamed)
        await anyio.sleep(1800)
        harness.world.set_disposition(account.living()[0], "d8", "Lost", "lost")
        await anyio.sleep(900)
        harness.faults["leadping"].clear()
        await anyio.sleep(900)
    assert harness.got() == harness.expect(began)
    assert harness.inbox.own == ["source.baselined"]


# -- values that cannot be read

SPOILS: Mapping[str, tuple[str, Any]] = {
    "highlevel": ("email", {}),
    "leadping": ("archiveReason", {"code": 3}),
    "chatwoot": ("meta", {"assignee": {}}),
}
"""What is odd about the rows of one conversation: key and value, or keys of the object under it."""


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_customer_beside_an_odd_value_is_heard_from_the_baseline_on(
    harness: Harness, provider: str
) -> None:
    """The odd value stays: the conversation is known, its messages are told, no sweep is held."""
    harness.poll_every, harness.sweep_every = "1m", "2m"
    account = harness.watch(provider, "sales", "1", conversations=30)
    odd, other = account.living()[3:5]
    key, value = SPOILS[provider]

    def spoil(rows: list[Any]) -> list[Any]:
        for row in rows:
            if str(row["id"]) == odd.id:
                row[key] = {**row[key], **value} if key == "meta" else value
        return rows

    async with harness.running():
        harness.faults[provider].plan(edit(provider, spoil), _lists)
        await harness.baseline()
        for conversation in (odd, other):
            harness.world.message(conversation, "Is anybody there?")
            await anyio.sleep(300)
    assert harness.got() == harness.expect()
    assert harness.inbox.own == ["source.baselined"]
    told = {body["subject"] for body in harness.inbox.of("conversation.message")}
    assert told == {odd.id, other.id}
