"""When rules may tell, in virtual time: hours over nights and a change of clocks, silences."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from tests.scenarios.harness import Harness
from tests.scenarios.test_pace import quiet
from tests.support.virtual_time import VirtualClock
from watcher.records import DeliveryQuery

OFFICE = "hours: {days: mon-fri, between: '09:00-18:00', timezone: Europe/Berlin"


def at(harness: Harness) -> list[str]:
    return [f"{time:%a %H:%M}" for time in harness.inbox.times]


async def test_what_comes_due_at_night_waits_for_the_morning(harness: Harness) -> None:
    _account, (first, second, *_) = quiet(
        harness, every="10m"
    )  # it is Friday, 11 o'clock in Berlin
    harness.rules = f"- {{name: office, when: conversation.message, {OFFICE}}}, notify: crm}}"
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "by day")
        await anyio.sleep(8 * 3600)
        harness.world.message(first, "in the evening")
        harness.world.message(second, "in the evening")
        await anyio.sleep(900)
        held = await harness.store.deliveries(DeliveryQuery(state="pending"))
        assert all(one.note.startswith("held until 2026-11-23T08:00") for one in held)
        assert [line.kind for line in await harness.store.history([held[0].key])] == ["held"]
        assert [one.attempt for one in held] == [0, 0]
        await anyio.sleep(3 * 86400)
    assert at(harness) == ["Fri 10:10", "Mon 08:00", "Mon 08:00"]


async def test_the_morning_after_the_clocks_were_changed(harness: Harness) -> None:
    harness.clock = VirtualClock(
        datetime(2026, 10, 24, 10, tzinfo=UTC)
    )  # the last day of summer time
    harness.world._clock = harness.clock
    harness.inbox._clock = harness.clock
    _account, (first, *_) = quiet(harness, every="10m")
    harness.rules = (
        "- {name: office, when: conversation.message, "
        "hours: {between: '09:00-18:00', timezone: Europe/Berlin}, notify: crm}"
    )
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(8 * 3600)
        harness.world.message(first, "in the evening")
        await anyio.sleep(86400)
    assert at(harness) == ["Sun 08:00"]


async def test_drop_and_another_receiver(harness: Harness) -> None:
    _account, (first, *_) = quiet(harness, every="10m")
    night = harness.hear("night")
    hours = "hours: {between: '03:00-04:00', otherwise: "
    harness.rules = (
        f"- {{name: dropped, when: conversation.message, {hours}drop}}, notify: crm}}\n"
        f"- {{name: sent, when: conversation.unread, {hours}night}}, notify: crm}}\n"
        f"- {{name: nag, when: conversation.unread, for: 5m, repeat: 5m, at_most: 1,"
        f" {hours}night}}, notify: crm}}"
    )
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello")
        await anyio.sleep(3600)
    assert harness.inbox.bodies == []
    assert [body["type"] for body in night.bodies] == ["conversation.unread"] * 3
    kinds = [body["data"].get("delivery", {}).get("kind") for body in night.bodies]
    assert kinds == [None, "for", "repeat"]
    notes = {one.note for one in await harness.store.deliveries(DeliveryQuery(receiver="crm"))}
    assert notes == {
        "dropped: outside the hours of the rule 'dropped'",
        "redirected to night: outside the hours of the rule 'sent'",
        "redirected to night: outside the hours of the rule 'nag'",
    }


async def test_what_is_held_is_ahead_of_nobody(harness: Harness) -> None:
    _account, (first, *_) = quiet(harness, every="10m")
    harness.rules = (
        "- {name: office, when: conversation.message, "
        "hours: {between: '03:00-04:00'}, notify: crm}\n"
        "- {name: always, when: conversation.priority_changed, notify: crm}"
    )
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello")
        await anyio.sleep(900)
        harness.world.set_priority(first, "urgent")
        await anyio.sleep(900)
        assert [body["type"] for body in harness.inbox.bodies] == ["conversation.priority_changed"]
        await anyio.sleep(86400)
    assert len(harness.inbox.bodies) == 2


async def test_digests_of_the_night_are_one_in_the_morning(harness: Harness) -> None:
    _account, (first, *_) = quiet(harness, every="10m")
    harness.rules = (
        "- {name: news, when: conversation.message, digest: 1h, "
        "hours: {between: '06:00-09:00'}, notify: crm}"
    )
    async with harness.running():
        await harness.baseline()
        for number in range(5):
            harness.world.message(first, f"message {number}")
            await anyio.sleep(3 * 3600)
        await anyio.sleep(86400)
    counts = [body["data"]["delivery"]["count"] for body in harness.inbox.bodies]
    assert counts == [5]


async def test_a_silence_is_added_counts_survives_a_restart_and_ends(harness: Harness) -> None:
    _account, (first, second, *_) = quiet(harness)
    harness.rules = (
        "- {name: all, when: conversation.message, notify: crm}\n"
        "silences:\n- {name: spam, match: 'conversation.channel == \"fax\"', reason: no faxes}"
    )
    async with harness.running() as daemon:
        await harness.baseline()
        ends = harness.clock() + timedelta(hours=2)
        which = await daemon.add_silence(f'conversation.id == "{first.id}"', "moving house", ends)
        harness.world.message(first, "one")
        harness.world.message(second, "one")
        await anyio.sleep(60)
    async with harness.running() as daemon:
        harness.world.message(first, "two")
        await anyio.sleep(60)
        configured, added = await daemon.silences()
        assert (configured["id"], configured["stopped"]) == ("spam", 0)
        assert (added["id"], added["stopped"], added["active"]) == (which, 2, True)
        assert added["reason"] == "moving house"
        await anyio.sleep(2 * 3600)
        harness.world.message(first, "three")
        await anyio.sleep(60)
    assert [body["subject"] for body in harness.inbox.bodies] == [second.id, first.id]
    stopped = await harness.store.deliveries(DeliveryQuery(state="cancelled"))
    assert {f"by {which}: moving house" in one.note for one in stopped} == {True}
    assert [line.kind for line in await harness.store.history([stopped[0].key])] == ["silenced"]


async def test_an_expired_silence_silences_nothing(harness: Harness) -> None:
    _account, (first, *_) = quiet(harness)
    harness.rules = "- {name: all, when: conversation.message, notify: crm}"
    async with harness.running() as daemon:
        await harness.baseline()
        which = await daemon.add_silence("true", "", harness.clock() + timedelta(hours=2))
        assert await daemon.expire_silence(which)
        assert not await daemon.expire_silence(which)
        harness.world.message(first, "one")
        await anyio.sleep(60)
    assert len(harness.inbox.bodies) == 1


async def test_the_reasons_are_recorded_with_the_event(harness: Harness) -> None:
    _account, (first, *_) = quiet(harness)
    harness.rules = (
        "- {name: all, when: conversation.message, notify: crm}\n"
        "- {name: vip, when: conversation.message, where: conversation.unread_count > 90, notify: crm}"
    )
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "one")
        await anyio.sleep(60)
    (body,) = harness.inbox.bodies
    said = (await harness.store.verdicts([body["id"]]))[body["id"]]
    assert [(one.rule, one.matched) for one in said] == [("all", True), ("vip", False)]
    assert "unread_count" in said[1].reason
