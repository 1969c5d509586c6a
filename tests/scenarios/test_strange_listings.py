"""Listings that show rows strangely: many in one millisecond, not at all for a while, twice, late,
or without a key. Nothing lost, nothing invented, and no look-up more than it takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import anyio
import pytest
from listings import edit
from stage import PROVIDERS, Stage

from watcher.simulator import Fault, chatwoot, leadconnector, lively

# -- ties, rows that come and go, rows twice


async def test_a_page_of_one_millisecond_is_walked_whole(stage: Stage) -> None:
    """A campaign writes to everybody at once: more rows of one millisecond than a page holds."""
    stage.poll_every, stage.sweep_every = "1m", "5m"
    account = stage.watch("highlevel", "sales", "1", conversations=170)
    async with stage.running():
        await stage.baseline()
        for _ in range(2):
            for conversation in account.living()[:150]:
                stage.world.message(conversation, "our offer", "outbound")
            await anyio.sleep(900)
            stage.world.delete(account.living()[70])
            stage.world.star(account.living()[71])
            await anyio.sleep(900)
    assert stage.got() == stage.expect()
    assert stage.inbox.own == ["source.baselined"]


async def test_rows_alike_in_everything_that_can_be_asked_for_are_a_reported_hole(
    stage: Stage,
) -> None:
    """150 empty rows of one import, which the provider's filters cannot tell apart."""
    stage.poll_every, stage.sweep_every = "1m", "5m"
    account = stage.watch("highlevel", "sales", "1", conversations=20)
    stage.world.import_conversations(account, 150)
    await anyio.sleep(60)
    began = stage.clock()
    async with stage.running():
        await stage.baseline()
        assert stage.inbox.own == ["source.baselined", "source.held"]
        assert "cannot be walked whole" in stage.inbox.of("source.held")[0]["data"]["reason"]
        stage.world.message(account.living()[3], "hello?")
        await anyio.sleep(900)
    assert stage.got() == stage.expect(began)


async def test_a_row_that_drops_out_of_one_search_and_returns_is_no_change(stage: Stage) -> None:
    stage.poll_every, stage.sweep_every = "1m", "2m"
    stage.options["highlevel"] = leadconnector.Options(drop_out=frozenset(range(3, 9000, 4)))
    stage.watch("highlevel", "sales", "1", conversations=130)
    async with stage.running():
        await stage.baseline()
        script = lively(stage.world, Random(11))
        for _ in range(15):
            script.step()
            await anyio.sleep(300)
        stage.faults["highlevel"].clear()
        await anyio.sleep(1200)
    kinds = {body["type"] for body in stage.inbox.conversations}
    assert len(kinds) > 3
    assert stage.got() == stage.expect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_rows_that_come_twice_within_and_across_pages_are_told_once(
    stage: Stage, provider: str
) -> None:
    stage.poll_every, stage.sweep_every = "1m", "3m"
    stage.watch(provider, "sales", "1", conversations=60)
    last: list[Any] = []

    def repeat(rows: list[Any]) -> list[Any]:
        before, last[:] = list(last), rows[-2:]
        ids = {row["id"] for row in rows}
        across = [row for row in before if row["id"] not in ids]
        return [*across, *rows, *rows[:3]] if provider != "highlevel" else [*rows, *rows[-1:]]

    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(edit(provider, repeat), _lists)
        script = lively(stage.world, Random(5))
        for _ in range(12):
            script.step()
            await anyio.sleep(400)
        stage.faults[provider].clear()
        await anyio.sleep(900)
    assert len({body["id"] for body in stage.inbox.conversations}) == len(stage.inbox.conversations)
    subjects = [entry.conversation for entry in stage.world.truth.find()]
    assert {body["subject"] for body in stage.inbox.conversations} == set(subjects)


def _lists(seen: Any) -> bool:
    return seen.path.endswith(("/my", "/search", "/conversations"))


# -- an index that lags, activity lines that come later


@pytest.mark.parametrize("lag", [5.0, 25.0])
async def test_a_lagging_search_beside_immediate_look_ups_invents_nothing(
    stage: Stage, lag: float
) -> None:
    stage.sweep_every = "2m"
    stage.options["highlevel"] = leadconnector.Options(index_delay=lag)
    stage.watch("highlevel", "sales", "1", conversations=60)
    async with stage.running():
        await anyio.sleep(600)
        script = lively(stage.world, Random(23))
        for _ in range(12):
            script.step()
            await anyio.sleep(400)
        await anyio.sleep(600)
    assert stage.got() == stage.expect()


async def test_activity_lines_that_come_later_are_no_messages_and_hide_nothing(
    stage: Stage,
) -> None:
    stage.sweep_every = "1d"
    stage.options["chatwoot"] = chatwoot.Options(activity_delay=55.0)
    account = stage.watch("chatwoot", "sales", "1", conversations=30)
    async with stage.running():
        await stage.baseline()
        for number, conversation in enumerate(account.living()[:8]):
            stage.world.assign(conversation, account.agents[number % len(account.agents)])
            await anyio.sleep(10)
            stage.world.set_priority(conversation, "urgent")
            await anyio.sleep(200)
            stage.world.set_labels(conversation, ["later"])
            await anyio.sleep(200)
    told = {body["type"] for body in stage.inbox.conversations}
    assert "conversation.message" not in told
    assert {"conversation.priority_changed", "conversation.labels_changed"} <= told
    seen = [row[:2] for row in stage.got()]
    assert sorted(seen) == sorted(row[:2] for row in stage.expect())


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
    stage: Stage, provider: str
) -> None:
    stage.poll_every, stage.sweep_every = "1m", "5m"
    account = stage.watch(provider, "sales", "1", conversations=8)
    async with stage.running():
        await stage.baseline()
        await anyio.sleep(10)
        gone = account.living()[3]
        alone = [c for c in account.living() if c.state.contact.id == gone.state.contact.id]
        stage.world.delete(gone)
        before = len(stage.faults[provider].log)
        await anyio.sleep(3600)
        log = stage.faults[provider].log[before:]
    assert stage.got() == stage.expect()
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
    stage: Stage, provider: str
) -> None:
    stage.poll_every, stage.sweep_every = "1m", "3m"
    stage.watch(provider, "sales", "1", conversations=60)
    old, new = VANISHING[provider]
    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(Fault(alter=lambda body: body.replace(old, new)))
        await anyio.sleep(3600)
        assert stage.inbox.own == ["source.baselined", "source.failing"]
        assert old.decode().strip('"') in stage.inbox.of("source.failing")[0]["data"]["reason"]
        stage.faults[provider].clear()
        await anyio.sleep(900)
    assert stage.inbox.conversations == []
    assert stage.inbox.own[-1] == "source.recovered"


async def test_leadpings_rename_is_no_change(stage: Stage) -> None:
    stage.sweep_every = "3m"
    account = stage.watch("leadping", "sales", "1", conversations=30)
    for conversation in account.living()[:10]:
        stage.world.set_disposition(conversation, "d7", "Won", "won")
    await anyio.sleep(1)
    began = stage.clock()
    async with stage.running():
        await stage.baseline()
        renamed = Fault(
            alter=lambda body: body.replace(b'"currentLeadStatus"', b'"currentDisposition"')
        )
        stage.faults["leadping"].plan(renamed)
        await anyio.sleep(1800)
        stage.world.set_disposition(account.living()[0], "d8", "Lost", "lost")
        await anyio.sleep(900)
        stage.faults["leadping"].clear()
        await anyio.sleep(900)
    assert stage.got() == stage.expect(began)
    assert stage.inbox.own == ["source.baselined"]
