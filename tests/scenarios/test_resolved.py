"""Who was told that a state lasts hears once that it is over, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import Harness, Inbox
from tests.scenarios.test_restarts import Killed, Mortal
from watcher.config.load import load
from watcher.daemon.reload import Reloading
from watcher.records import DeliveryQuery
from watcher.simulator import Account, faults
from watcher.store.memory import MemoryStore

ESCALATION = """
- {name: team, when: conversation.unread, for: 15m, repeat: 30m, resolved: true, notify: crm}
- {name: boss, when: conversation.unread, for: 1h, resolved: true, notify: boss}
"""


def calm(harness: Harness, every: str = "1m") -> tuple[Account, list[Any]]:
    """Open an account in which everything is read, and which is swept every minute."""
    harness.poll_every = harness.sweep_every = every
    account = harness.watch("chatwoot", "sales", "1", conversations=4)
    for conversation in account.conversations.values():
        harness.world.read(conversation)
    harness.hear("boss")
    return account, list(account.conversations.values())


def kinds(inbox: Inbox) -> list[str]:
    """Return what each message is about a state that lasts."""
    return [body["data"].get("delivery", {}).get("kind", "event") for body in inbox.bodies]


def ends(inbox: Inbox) -> list[dict[str, Any]]:
    """Return the messages that tell of an end."""
    said = [body for body in inbox.bodies if "delivery" in body["data"]]
    return [body for body in said if body["data"]["delivery"]["kind"] == "resolved"]


async def test_those_who_were_told_hear_once_that_it_is_over(harness: Harness) -> None:
    _account, (first, second, *_) = calm(harness)
    harness.rules = ESCALATION
    boss = harness.others["boss"]
    async with harness.running():
        await harness.baseline()
        begun = harness.clock()
        harness.world.message(first, "hello?")
        harness.world.message(second, "hello?")
        await anyio.sleep(10 * 60)
        harness.world.read(second)  # nobody was told yet
        await anyio.sleep(15 * 60)
        harness.world.read(first)
        await anyio.sleep(3 * 3600)
    assert kinds(harness.inbox) == ["for", "resolved"]
    assert harness.inbox.minutes(begun) == [15, 25]
    assert boss.bodies == []
    told, over = harness.inbox.bodies
    assert over["id"] != told["id"]
    assert (over["type"], over["subject"]) == ("conversation.unread", first.id)
    assert over["data"]["conversation"]["unread"] is False
    about = over["data"]["delivery"]
    assert about["event"] == told["data"]["delivery"]["event"]
    assert (about["rule"], about["count"]) == ("team", 2)
    assert about["resolved"]["reason"] == "it was read"
    assert about["resolved"]["at"] == over["time"]
    assert 24 * 60 <= about["resolved"]["seconds"] <= 26 * 60


async def test_each_rule_of_an_escalation_tells_those_whom_it_told(harness: Harness) -> None:
    _account, (first, *_) = calm(harness)
    harness.rules = ESCALATION
    boss = harness.others["boss"]
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        await anyio.sleep(70 * 60)
        harness.world.read(first)
        await anyio.sleep(3600)
    assert kinds(harness.inbox) == ["for", "repeat", "resolved"]
    assert kinds(boss) == ["for", "resolved"]


async def test_the_next_state_is_told_and_ended_anew(harness: Harness) -> None:
    _account, (first, *_) = calm(harness)
    harness.rules = ESCALATION
    async with harness.running():
        await harness.baseline()
        for _ in range(2):
            harness.world.message(first, "hello?")
            await anyio.sleep(20 * 60)
            harness.world.read(first)
            await anyio.sleep(20 * 60)
    assert kinds(harness.inbox) == ["for", "resolved"] * 2
    assert len({body["id"] for body in harness.inbox.bodies}) == 4


async def test_repeat_alone_told_with_the_event_itself(harness: Harness) -> None:
    _account, (first, *_) = calm(harness)
    harness.rules = (
        "- {name: nag, when: conversation.unread, repeat: 20m, resolved: true, notify: crm}"
    )
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        await anyio.sleep(5 * 60)
        harness.world.read(first)
        await anyio.sleep(3600)
    assert kinds(harness.inbox) == ["event", "resolved"]


async def test_repeat_alone_at_a_receiver_that_was_down_the_end_follows_the_event(
    harness: Harness,
) -> None:
    _account, (first, *_) = calm(harness)
    harness.rules = (
        "- {name: nag, when: conversation.unread, repeat: 20m, resolved: true, notify: crm}"
    )
    harness.inbox.status = 503
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        await anyio.sleep(5 * 60)
        harness.world.read(first)
        await anyio.sleep(5 * 60)
        harness.inbox.status = 200
        await anyio.sleep(3600)
    assert kinds(harness.inbox) == ["event", "resolved"]


async def test_whom_a_refusal_kept_from_hearing_hears_of_no_end(harness: Harness) -> None:
    _account, (first, *_) = calm(harness)
    harness.rules = ESCALATION
    harness.inbox.status = 503
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        await anyio.sleep(16 * 60)
        assert harness.inbox.attempts > 0
        harness.world.read(first)
        await anyio.sleep(60)
        harness.inbox.status = 200
        await anyio.sleep(3600)
    assert harness.inbox.bodies == []


async def test_after_an_acknowledgement_the_end_is_told_all_the_same(harness: Harness) -> None:
    _account, (first, second, *_) = calm(harness)
    harness.rules = ESCALATION
    async with harness.running() as daemon:
        await harness.baseline()
        harness.world.message(first, "hello?")
        await anyio.sleep(20 * 60)
        harness.world.message(second, "hello?")
        await anyio.sleep(60)
        await daemon.acknowledge("sales", first.id)
        await daemon.acknowledge("sales", second.id)  # nobody was told of this one
        await anyio.sleep(3600)
        assert kinds(harness.inbox) == ["for"]
        harness.world.read(first)
        harness.world.read(second)
        await anyio.sleep(3600)
    assert kinds(harness.inbox) == ["for", "resolved"]


async def test_a_silence_stops_it_and_what_it_stopped_has_no_end(harness: Harness) -> None:
    _account, (first, second, *_) = calm(harness)
    harness.rules = (
        f"{ESCALATION}silences:\n"
        f"- {{name: one, match: 'conversation.id == \"{first.id}\"', reason: known,"
        " hours: {between: '00:00-24:00'}}"
    )
    async with harness.running() as daemon:
        await harness.baseline()
        harness.world.message(first, "hello?")
        harness.world.message(second, "hello?")
        await anyio.sleep(20 * 60)
        ends_at = harness.clock().replace(hour=23)
        await daemon.add_silence(f'conversation.id == "{second.id}"', "enough", ends_at)
        harness.world.read(first)
        harness.world.read(second)
        await anyio.sleep(3600)
    assert kinds(harness.inbox) == ["for"]
    (over,) = [
        one
        for one in await harness.store.deliveries(DeliveryQuery(conversations=(second.id,)))
        if one.kind == "resolved"
    ]
    assert over.state == "cancelled"
    assert over.note.startswith("silenced until")


@pytest.mark.parametrize("otherwise", ["hold", "drop", "night"])
async def test_outside_the_hours_the_end_waits_for_those_who_were_told(
    harness: Harness, otherwise: str
) -> None:
    _account, (first, *_) = calm(harness, every="5m")
    night = harness.hear("night")
    hours = f"hours: {{between: '10:00-11:00', otherwise: {otherwise}}}"
    harness.rules = (
        "- {name: office, when: conversation.unread, for: 15m, resolved: true, notify: crm,"
        f" {hours}}}"
    )
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        await anyio.sleep(3 * 3600)
        harness.world.read(first)
        await anyio.sleep(86400)
    assert kinds(harness.inbox) == ["for", "resolved"]
    assert [time.strftime("%H:%M") for time in harness.inbox.times] == ["10:20", "10:00"]
    assert night.bodies == []


async def test_whom_the_hours_told_instead_hears_the_end_at_once(harness: Harness) -> None:
    _account, (first, *_) = calm(harness, every="5m")
    night = harness.hear("night")
    harness.rules = (
        "- {name: office, when: conversation.unread, for: 15m, resolved: true, notify: crm,"
        " hours: {between: '03:00-04:00', otherwise: night}}"
    )
    async with harness.running():
        await harness.baseline()
        begun = harness.clock()
        harness.world.message(first, "hello?")
        await anyio.sleep(20 * 60)
        harness.world.read(first)
        await anyio.sleep(86400)
    assert harness.inbox.bodies == []
    assert (kinds(night), night.minutes(begun)) == (["for", "resolved"], [19, 24])


async def test_a_conversation_that_is_gone_and_conditions_that_no_longer_hold(
    harness: Harness,
) -> None:
    _account, (first, second, *_) = calm(harness)
    harness.rules = (
        "- {name: slow, when: conversation.unread, where: '!conversation.archived',"
        " for: 15m, resolved: true, notify: crm}"
    )
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        harness.world.message(second, "hello?")
        await anyio.sleep(20 * 60)
        harness.world.delete(first)
        harness.world.archive(second)
        await anyio.sleep(3 * 3600)
    reasons = {
        body["subject"]: body["data"]["delivery"]["resolved"]["reason"]
        for body in ends(harness.inbox)
    }
    assert reasons == {
        first.id: "the conversation is gone",
        second.id: "`where` no longer holds",
    }


async def test_a_source_that_works_again(harness: Harness) -> None:
    calm(harness)
    harness.rules = "- {name: dark, when: source.failing, for: 10m, resolved: true, notify: crm}"
    async with harness.running():
        await harness.baseline()
        harness.faults["chatwoot"].plan(faults.status(500))
        await anyio.sleep(30 * 60)
        harness.faults["chatwoot"].clear()
        await anyio.sleep(30 * 60)
    assert kinds(harness.inbox) == ["for", "resolved"]
    (over,) = ends(harness.inbox)
    assert over["data"]["delivery"]["resolved"]["reason"] == "the source works again"


async def test_a_rule_that_is_gone_tells_no_end(harness: Harness) -> None:
    _account, (first, *_) = calm(harness)
    harness.rules = ESCALATION
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        await anyio.sleep(20 * 60)
    harness.rules = "- {name: other, when: conversation.archived, notify: crm}"
    async with harness.running():
        harness.world.read(first)
        await anyio.sleep(3600)
    assert kinds(harness.inbox) == ["for"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_around_calls_of_the_store_the_end_is_told_once(
    tmp_path: Path, after: bool
) -> None:
    call, died = 1, True
    while died:
        harness, kept = Harness(tmp_path), MemoryStore()
        _account, (first, second, *_) = calm(harness)
        harness.rules = (
            "- {name: slow, when: conversation.unread, for: 2m, repeat: 3m, resolved: true,"
            " notify: crm}\n"
            "- {name: nag, when: conversation.unread, repeat: 4m, resolved: true, notify: boss}"
        )
        boss = harness.others["boss"]
        harness.store = kept
        async with harness.running():
            await harness.baseline()
        mortal = Mortal(kept, call, after=after)
        harness.store = mortal  # type: ignore[assignment]
        script = [
            (60, lambda h=harness, c=first: h.world.message(c, "hello?")),
            (70, lambda h=harness, c=second: h.world.message(c, "hello?")),
            (400, lambda h=harness, c=first: h.world.read(c)),
            (460, lambda h=harness, c=second: h.world.read(c)),
            (900, lambda: None),
        ]
        begun = harness.clock()
        while script:
            try:
                async with harness.running():
                    while script:
                        at, act = script[0]
                        await anyio.sleep(max(0.0, at - (harness.clock() - begun).total_seconds()))
                        act()
                        script.pop(0)
            except* Killed:
                harness.store = kept
        died = harness.store is kept
        for inbox in (harness.inbox, boss):
            told = [(body["subject"], body["id"]) for body in ends(inbox)]
            assert {subject for subject, _ in told} == {first.id, second.id}, call
            assert len(set(told)) == 2, call
        call += 17


async def test_what_a_throttle_stopped_has_no_end_and_no_throttle_stops_an_end(
    harness: Harness,
) -> None:
    _account, (first, *_) = calm(harness)
    harness.rules = (
        "- {name: slow, when: conversation.unread, for: 5m, throttle: 1d, resolved: true,"
        " notify: crm}"
    )
    async with harness.running():
        await harness.baseline()
        for _ in range(2):
            harness.world.message(first, "hello?")
            await anyio.sleep(10 * 60)
            harness.world.read(first)
            await anyio.sleep(10 * 60)
    assert kinds(harness.inbox) == ["for", "resolved"]


async def test_restarts_and_reloads_between_and_what_the_rule_says_at_the_end_counts(
    harness: Harness,
) -> None:
    _account, (first, second, *_) = calm(harness)
    silent = "- {name: slow, when: conversation.unread, for: 5m, notify: crm}"
    harness.rules = silent
    file = harness.folder / "watcher.yaml"
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        harness.world.message(second, "hello?")
        await anyio.sleep(10 * 60)
    harness.rules = silent.replace("for: 5m", "for: 5m, resolved: true")
    async with harness.running() as daemon:
        await anyio.sleep(60)
        harness.world.read(first)
        await anyio.sleep(5 * 60)
        for rules in (silent, harness.rules):
            harness.rules = rules
            file.write_text(harness.configure())
            await Reloading(daemon, lambda: load([file], environ={})).reload()
        await anyio.sleep(60)
    async with harness.running():
        await anyio.sleep(60)
        harness.world.read(second)
        await anyio.sleep(5 * 60)
    assert kinds(harness.inbox) == ["for", "for", "resolved", "resolved"]
    assert {body["subject"] for body in ends(harness.inbox)} == {first.id, second.id}


async def test_what_exceeds_a_limit_holds_ends_too_each_once(harness: Harness) -> None:
    _account, conversations = calm(harness)
    few = harness.hear("few", "    limit: 2/1m\n")
    harness.rules = (
        "- {name: slow, when: conversation.unread, for: 5m, resolved: true, notify: few}"
    )
    async with harness.running():
        await harness.baseline()
        for one in conversations:
            harness.world.message(one, "hello?")
        await anyio.sleep(10 * 60)
        for one in conversations:
            harness.world.read(one)
        await anyio.sleep(10 * 60)
    told = [one for body in few.bodies for one in body["data"].get("events", [body])]
    said = [(one["subject"], one["data"]["delivery"]["kind"]) for one in told]
    assert sorted(said) == sorted(
        (one.id, kind) for one in conversations for kind in ("for", "resolved")
    )
    assert len(few.bodies) < len(told)
