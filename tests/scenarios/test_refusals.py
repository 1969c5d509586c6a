"""Refused messages in virtual time: who waits for them, who is told, and what is given up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from standardwebhooks import Webhook
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.scenarios.harness import SECRET, Harness, Inbox
from tests.scenarios.test_pace import quiet
from tests.scenarios.test_restarts import Killed, Mortal
from tests.support.virtual_time import VirtualClock
from watcher.records import DeliveryQuery, EventQuery
from watcher.store.memory import MemoryStore

Body = dict[str, Any]


class Choosy(Inbox):
    """Answers by what it is sent, and remembers what it did not take."""

    def __init__(self, clock: VirtualClock, answer: Callable[[Body], int]) -> None:
        super().__init__(clock)
        self.answer = answer
        self.refused: list[Body] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        raw = await Request(scope, receive).body()
        body = json.loads(raw)
        status = self.answer(body)
        if status != 200:
            self.attempts += 1
            self.refused.append(body)
            await Response(status_code=status)(scope, receive, send)
            return

        async def again() -> dict[str, object]:
            return {"type": "http.request", "body": raw, "more_body": False}

        await super().__call__(scope, again, send)


def text(body: Body) -> str:
    message = (body["data"].get("conversation") or {}).get("last_message") or {}
    return str(message.get("text"))


def odd(status: int) -> Callable[[Body], int]:
    return lambda body: status if text(body) == "odd" else 200


def texts(inbox: Inbox) -> list[str]:
    return [text(body) for body in inbox.conversations]


MESSAGES = "- {name: all, when: conversation.message, notify: crm}\n"
TOLD = MESSAGES + "- {name: own, when: [receiver.*, delivery.dead], notify: [crm, ops]}\n"


@pytest.mark.parametrize("status", [400, 404, 405, 406, 411, 413, 414, 415, 422, 431])
async def test_one_refused_message_holds_up_its_conversation_for_three_attempts(
    harness: Harness, status: int
) -> None:
    _account, (first, second, third, *_) = quiet(harness)
    harness.inbox = crm = Choosy(harness.clock, odd(status))
    harness.rules = TOLD
    ops = harness.hear("ops")
    harness.receivers = "    retry: [5s, 5m, 20m]\n" + harness.receivers
    async with harness.running() as daemon:
        await harness.baseline()
        harness.world.message(third, "before")
        await anyio.sleep(60)
        harness.world.message(first, "odd")
        await anyio.sleep(60)
        harness.world.message(first, "urgent")
        harness.world.message(second, "short question")
        await anyio.sleep(60)
        assert texts(crm) == ["before", "short question"], "other conversations never wait"
        await anyio.sleep(400)
        assert texts(crm) == ["before", "short question", "urgent"]
        assert len(crm.refused) == 3
        (state,) = [one for one in (await daemon.status())["receivers"] if one["receiver"] == "crm"]
        assert (state["failing"], state["paused_until"]) == (None, None)
        # The schedule goes on, and at its end the message is dead.
        await anyio.sleep(1800)
        assert len(crm.refused) == 4
        assert len({body["id"] for body in crm.refused}) == 1
        (dead,) = await harness.store.deliveries(DeliveryQuery(state="dead"))
        assert ops.own == ["delivery.dead"]
        assert crm.own == [], "never sent to the receiver that it is about"
        data = ops.bodies[0]["data"]
        assert data["receiver"] == "crm"
        assert data["rule"] == "all"
        assert data["event"] == {
            "id": dead.event.id,
            "type": "conversation.message",
            "subject": first.id,
        }
        assert data["attempts"] == 4
        assert data["reason"] == f"given up after 4 attempts: HTTP {status}"
        # Sent again by hand, it is taken, or dies and is told once more.
        assert await daemon.retry([dead.id]) == 1
        await anyio.sleep(2400)
        assert len({body["id"] for body in ops.of("delivery.dead")}) == len(ops.bodies) == 2
        crm.answer = lambda _body: 200
        assert await daemon.retry(None) == 1
        await anyio.sleep(10)
        assert texts(crm)[-1] == "odd"
    assert await harness.store.dead() == {}


@pytest.mark.parametrize("worked", [False, True])
async def test_one_that_refuses_everything_is_failing_and_keeps_the_order(
    harness: Harness, worked: bool
) -> None:
    _account, (first, second, *_) = quiet(harness)
    harness.inbox = crm = Choosy(harness.clock, lambda _body: 200 if worked else 404)
    harness.rules = TOLD
    ops = harness.hear("ops")
    async with harness.running():
        await harness.baseline()
        if worked:
            harness.world.message(second, "before")
            await anyio.sleep(120)
        crm.answer = lambda _body: 404
        for number in range(4):
            harness.world.message(first, f"first {number}")
            harness.world.message(second, f"second {number}")
            await anyio.sleep(400)
        assert ops.own == ["receiver.failing"]
        assert ops.bodies[0]["data"]["reason"] == "HTTP 404"
        crm.answer = lambda _body: 200
        await anyio.sleep(6 * 3600)
    assert ops.own == ["receiver.failing", "receiver.recovered"]
    for name in ("first", "second"):
        mine = [one for one in texts(crm) if one.startswith(name)]
        assert mine == [f"{name} {number}" for number in range(4)]


async def test_two_receivers_that_take_nothing_do_not_tell_each_other_for_ever(
    harness: Harness,
) -> None:
    _account, (first, *_) = quiet(harness)
    harness.inbox.status = 422
    harness.hear("ops", "    retry: [1s, 1s]\n").status = 422
    harness.receivers = "    retry: [1s, 1s]\n" + harness.receivers
    harness.rules = (
        "- {name: all, when: conversation.message, notify: [crm, ops]}\n"
        "- {name: own, when: [receiver.*, delivery.*], notify: [crm, ops]}\n"
    )
    async with harness.running():
        await harness.baseline()
        harness.world.message(first, "hello?")
        await anyio.sleep(3600)
    kinds = [one.event.type for one in await harness.store.events(EventQuery())]
    # The message dies at both, and so do the two `receiver.failing`.
    assert kinds.count("delivery.dead") == 4
    assert await harness.store.pending() == {}


# Digests that are too large


DIGEST = "- {name: news, when: conversation.message, digest: 10m, notify: crm}\n"


def largest(most: int) -> Callable[[Body], int]:
    """Take digests of at most so many events."""
    return lambda body: 413 if len(body["data"].get("events", ())) > most else 200


def carried(inbox: Inbox) -> list[str]:
    """Return the ids of the events that arrived, alone or in digests."""
    return [
        one["id"]
        for body in inbox.bodies
        for one in body["data"].get("events", [body])
        if one["type"] == "conversation.message"
    ]


@pytest.mark.parametrize("limited", [False, True], ids=["rule", "limit"])
@pytest.mark.parametrize("most", [1, 2, 5])
async def test_a_digest_that_is_too_large_goes_out_in_halves(
    harness: Harness, limited: bool, most: int
) -> None:
    _account, conversations = quiet(harness, conversations=9)
    harness.inbox = crm = Choosy(harness.clock, largest(most))
    harness.rules = (
        MESSAGES if limited else DIGEST
    ) + "- {name: own, when: receiver.*, notify: ops}"
    harness.receivers = "    limit: 2/1m\n" if limited else ""
    ops = harness.hear("ops")
    async with harness.running():
        await harness.baseline()
        for conversation in conversations:
            harness.world.message(conversation, "hello?")
        await anyio.sleep(1500)
        events = await harness.store.events(EventQuery(types=("conversation.message",)))
        assert sorted(carried(crm)) == sorted(one.event.id for one in events)
        assert ops.own == []
        assert not await harness.store.pending()
    ids = [body["id"] for body in (*crm.bodies, *crm.refused)]
    assert len(set(ids)) == len(ids), "each half is a message of its own"
    sizes = [len(body["data"].get("events", ())) for body in crm.bodies]
    assert max(sizes) <= most


async def test_a_body_is_no_larger_than_the_receiver_says(harness: Harness) -> None:
    _account, conversations = quiet(harness, conversations=5)
    harness.rules = DIGEST + "- {name: own, when: receiver.*, notify: ops}"
    harness.receivers = "    largest: 128KiB\n"
    ops = harness.hear("ops")
    async with harness.running():
        await harness.baseline()
        for number, conversation in enumerate(conversations):
            harness.world.message(conversation, f"{number}" * 20_000 * (number + 1))
        await anyio.sleep(900)
    assert max(map(len, harness.inbox.raw)) <= 128 * 1024
    assert len(carried(harness.inbox)) == len(set(carried(harness.inbox))) == 5
    assert ops.own == []
    assert [len(body["data"]["events"]) for body in harness.inbox.bodies] == [2, 1, 1, 1]
    cut = [body["data"].get("cut") for body in harness.inbox.bodies]
    assert [bool(one) for one in cut] == [False, False, True, True]
    signer = Webhook(SECRET)
    for raw, headers in zip(harness.inbox.raw, harness.inbox.headers, strict=True):
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), tz=UTC)
        signature = signer.sign(headers["webhook-id"], at, raw.decode())
        assert headers["webhook-signature"] == signature
        assert headers["webhook-id"] == json.loads(raw)["id"]


async def halved(harness: Harness, kept: MemoryStore) -> tuple[set[str], list[str]]:
    """Return the ids of the messages that arrived, and the events in them, whenever it dies."""
    (account,) = harness.world.accounts.values()
    begun = harness.clock()
    script: list[tuple[float, bool]] = [(30, True), (200, False)]
    while script:
        try:
            async with harness.running():
                while script:
                    at, act = script[0]
                    await anyio.sleep(max(0.0, at - (harness.clock() - begun).total_seconds()))
                    for conversation in account.conversations.values() if act else ():
                        harness.world.message(conversation, "hello?")
                    script.pop(0)
        except* Killed:
            harness.store = kept
    messages = {json.dumps(one) for one in harness.inbox.bodies}
    crm = harness.inbox
    return {f"{json.loads(one)['id']}" for one in messages}, sorted(set(carried(crm)))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_halves_have_the_same_ids_whenever_it_is_killed(tmp_path: Path, after: bool) -> None:
    async def told(call: int) -> tuple[set[str], list[str], bool]:
        harness, kept = Harness(tmp_path), MemoryStore()
        now = harness.clock()
        await anyio.sleep(86400 - (now.hour * 3600 + now.minute * 60 + now.second))
        quiet(harness, conversations=5)
        harness.inbox = Choosy(harness.clock, largest(2))
        harness.rules, harness.store = DIGEST.replace("10m", "1m"), kept
        async with harness.running():
            await harness.baseline()
        harness.store = Mortal(kept, call, after=after)  # type: ignore[assignment]
        ids, events = await halved(harness, kept)
        return ids, events, harness.store is kept

    ids, events, died = await told(10**9)
    assert not died
    assert (len(ids), len(events)) == (3, 5)
    call = 1
    while True:
        found, carried_, died = await told(call)
        assert len(carried_) == 5, f"killed at call {call}"
        assert found == ids, f"killed at call {call}"
        if not died:
            return
        call += 4


# Dead, and killed around it


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_every_death_is_told_once_whenever_it_is_killed(tmp_path: Path, after: bool) -> None:
    async def told(call: int) -> tuple[list[Body], set[str], bool]:
        harness, kept = Harness(tmp_path), MemoryStore()
        _account, (first, second, *_) = quiet(harness)
        harness.inbox = Choosy(harness.clock, odd(422))
        ops = harness.hear("ops")
        harness.receivers = "    retry: [5s]\n" + harness.receivers
        harness.rules, harness.store = TOLD, kept
        async with harness.running():
            await harness.baseline()
            harness.world.message(second, "before")
            await anyio.sleep(30)
        harness.store = Mortal(kept, call, after=after)  # type: ignore[assignment]
        harness.world.message(first, "odd")
        for _ in range(2):
            try:
                async with harness.running():
                    await anyio.sleep(60)
            except* Killed:
                harness.store = kept
        dead = {one.key for one in await kept.deliveries(DeliveryQuery(state="dead"))}
        recorded = await kept.events(EventQuery(types=("delivery.dead",)))
        assert len(recorded) == len(dead) == 1
        return ops.of("delivery.dead"), dead, harness.store is kept

    call = 1
    while True:
        bodies, dead, died = await told(call)
        assert len({body["id"] for body in bodies}) == 1, f"killed at call {call}"
        assert {f"{body['data']['event']['id']}/crm" for body in bodies} == dead
        if not died:
            return
        call += 2


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_removed_receivers_deliveries_are_told_once_whenever_it_is_killed(
    tmp_path: Path, after: bool
) -> None:
    call = 1
    while True:
        harness, kept = Harness(tmp_path), MemoryStore()
        _account, conversations = quiet(harness)
        harness.store = kept
        harness.hear("gone").status = 500
        harness.rules = "- {name: all, when: '*', notify: [crm, gone]}"
        async with harness.running():
            await harness.baseline()
            for conversation in conversations:
                harness.world.message(conversation, "hello?")
            await anyio.sleep(60)
        owed = (await kept.pending())["gone"]
        harness.receivers, harness.rules = "", "- {name: all, when: '*', notify: crm}"
        harness.store = Mortal(kept, call, after=after)  # type: ignore[assignment]
        for _ in range(2):
            try:
                async with harness.running():
                    await anyio.sleep(20)
            except* Killed:
                harness.store = kept
        told = {body["id"] for body in harness.inbox.of("delivery.dead")}
        assert len(told) == owed == (await kept.dead())["gone"], f"killed at call {call}"
        assert "gone" not in await kept.pending()
        if harness.store is not kept:
            return
        call += 4
