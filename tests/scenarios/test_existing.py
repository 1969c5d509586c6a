"""Rules with `existing`, in virtual time: what holds already at the first look starts their waits."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.scenarios.harness import Harness
from tests.scenarios.test_resolved import calm, kinds
from tests.scenarios.test_restarts import Killed, Mortal
from watcher.config.load import load
from watcher.daemon.reload import Reloading
from watcher.records import DeliveryQuery, EventQuery
from watcher.store.memory import MemoryStore

UNREAD = "- {name: slow, when: conversation.unread, for: 10m, existing: true, notify: crm}"


async def test_what_holds_at_the_baseline_starts_the_wait_and_is_no_event(
    harness: Harness,
) -> None:
    _account, (first, second, third, *_) = calm(harness)
    for one in (first, second):
        harness.world.message(one, "hello?")
    harness.rules = UNREAD.replace("existing: true", "existing: true, resolved: true")
    async with harness.running():
        await harness.baseline()
        begun = harness.clock()
        await anyio.sleep(5 * 60)
        harness.world.read(second)
        await anyio.sleep(10 * 60)
        harness.world.message(third, "news")
        harness.world.read(first)
        await anyio.sleep(30 * 60)
    told = [
        (at, body["subject"], body["data"]["delivery"]["kind"])
        for at, body in zip(harness.inbox.minutes(begun), harness.inbox.bodies, strict=True)
    ]
    assert told[:2] == [(9, first.id, "for"), (15, first.id, "resolved")]
    assert [(subject, kind) for _, subject, kind in told[2:]] == [(third.id, "for")]
    body = harness.inbox.bodies[0]
    assert (body["type"], body["data"]["changes"]) == ("conversation.unread", {})
    assert body["data"]["existing"] is True
    log = [one.event.type for one in await harness.store.events(EventQuery())]
    assert "conversation.unread" in log, "the message of the third"
    assert len([kind for kind in log if kind == "conversation.unread"]) == 1


async def test_it_is_looked_once_whatever_restarts_and_reloads_come(harness: Harness) -> None:
    _account, (first, *_) = calm(harness)
    harness.world.message(first, "hello?")
    harness.rules = UNREAD
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(15 * 60)
    for _ in range(2):
        async with harness.running():
            await anyio.sleep(15 * 60)
    assert kinds(harness.inbox) == ["for"]


async def test_a_rule_that_is_new_looks_at_what_holds_at_the_moment(
    harness: Harness,
) -> None:
    _account, (first, second, *_) = calm(harness)
    harness.world.message(first, "hello?")
    harness.rules = "- {name: other, when: conversation.archived, notify: crm}"
    async with harness.running() as daemon:
        await harness.baseline()
        harness.world.message(second, "hello?")
        await anyio.sleep(5 * 60)
        file = harness.folder / "watcher.yaml"
        harness.rules = UNREAD
        file.write_text(harness.configure())
        await Reloading(daemon, lambda: load([file], environ={})).reload()
        begun = harness.clock()
        await anyio.sleep(30 * 60)
    assert sorted(body["subject"] for body in harness.inbox.bodies) == sorted([first.id, second.id])
    assert set(harness.inbox.minutes(begun)) <= {10, 11}


async def test_one_that_was_removed_and_comes_back_looks_again(harness: Harness) -> None:
    _account, (first, *_) = calm(harness)
    harness.world.message(first, "hello?")
    for rules in (UNREAD, "- {name: other, when: '*', notify: boss}", UNREAD):
        harness.rules = rules
        async with harness.running():
            await harness.baseline()
            await anyio.sleep(15 * 60)
    assert kinds(harness.inbox) == ["for", "for"]
    assert len({body["id"] for body in harness.inbox.bodies}) == 2


async def test_repeat_alone_tells_at_once_and_conditions_and_stop_count(harness: Harness) -> None:
    _account, (first, second, third, *_) = calm(harness)
    for one in (first, second, third):
        harness.world.message(one, "hello?")
    harness.rules = (
        f"- {{name: vip, when: conversation.unread, where: 'conversation.id == \"{third.id}\"',"
        " stop: true, notify: boss}\n"
        "- {name: nag, when: conversation.unread, repeat: 20m, at_most: 1, existing: true,"
        f" unless: 'conversation.id == \"{second.id}\"', notify: crm}}"
    )
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(3600)
    assert [body["subject"] for body in harness.inbox.bodies] == [first.id] * 2
    assert kinds(harness.inbox) == ["event", "repeat"]
    assert harness.others["boss"].bodies == []


async def test_a_large_baseline_is_no_flood(harness: Harness) -> None:
    harness.poll_every = harness.sweep_every = "10m"
    account = harness.watch("chatwoot", "sales", "1", conversations=700)
    unread = 0
    for conversation in account.conversations.values():
        harness.world.message(conversation, "hello?")
        unread += 1
    few = harness.hear("few", "    limit: 5/1m\n")
    harness.rules = (
        "- {name: nag, when: conversation.unread, repeat: 12h, existing: true, notify: few}"
    )
    async with harness.running():
        await harness.baseline()
        begun = harness.clock()
        await anyio.sleep(3600)
    told = [one["subject"] for body in few.bodies for one in body["data"].get("events", [body])]
    assert len(told) == len(set(told)) == unread
    per_minute = [few.minutes(begun).count(minute) for minute in set(few.minutes(begun))]
    assert max(per_minute) <= 6
    assert len(few.bodies) <= 20


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_in_the_middle_it_starts_nothing_twice(tmp_path: Path, after: bool) -> None:
    call, died = 1, True
    while died:
        harness, kept = Harness(tmp_path), MemoryStore()
        _account, (first, second, *_) = calm(harness)
        for one in (first, second):
            harness.world.message(one, "hello?")
        harness.rules = (
            f"{UNREAD}\n"
            "- {name: nag, when: conversation.unread, repeat: 2h, existing: true, notify: boss}"
        )
        harness.store = Mortal(kept, call, after=after)  # type: ignore[assignment]
        for _ in range(2):
            try:
                async with harness.running():
                    await anyio.sleep(15 * 60)
            except* Killed:
                harness.store = kept
        died = harness.store is kept
        for inbox in (harness.inbox, harness.others["boss"]):
            assert {body["subject"] for body in inbox.bodies} == {first.id, second.id}, call
            assert len({body["id"] for body in inbox.bodies}) == 2, call
        pending = await kept.deliveries(DeliveryQuery(state="pending"))
        assert {one.kind for one in pending} == {"repeat"}, call
        call += 29
