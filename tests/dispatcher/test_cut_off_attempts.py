"""A message in whose attempts the process dies: the default words, then it is dead, and told."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.support.make import T0, commit, delivery, event
from watcher.dispatcher import Dispatcher
from watcher.model import Delivery, Result
from watcher.notify import Notice
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import Policy
from watcher.records import DeliveryQuery, EventQuery
from watcher.rules import Rule
from watcher.runtime import Runtime
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

RULES = (
    Rule(name="r", when=("conversation.unread",), notify=("team",), message={"body": "own words"}),
    Rule(name="told", when=("delivery.dead",), notify=("ops",)),
)
POLICY = Policy((timedelta(seconds=5),) * 9)
GIVEN_UP = "3 attempts never ended: the process died in each, or was killed"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "db")
    yield store
    await store.close()


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


class Service:
    """Takes texts; the process dies, or hangs, in an attempt to send one about certain conversations."""

    text = True

    def __init__(self, *deadly: str, hangs: bool = False) -> None:
        self.deadly, self.hangs = deadly, hangs
        self.seen: list[tuple[str, str]] = []

    async def send(self, notice: Notice) -> Result:
        name = str(notice.event.subject)
        self.seen.append((name, "own" if notice.body == "own words" else "default"))
        if name in self.deadly and self.hangs:
            await anyio.sleep_forever()
        if name in self.deadly:
            raise Killed
        return Result("ok", "accepted")

    async def close(self) -> None:
        """Close nothing."""


async def start(store: Store, service: Service) -> None:
    """Start a process, and let it send until all is sent or it dies."""
    await store.unclaim()
    runtime = Runtime(store=store, clock=lambda: T0, rules=lambda: RULES)
    dispatcher = Dispatcher(ReceiverPlan("team", service, POLICY, "there", 1), runtime)
    with contextlib.suppress(BaseExceptionGroup):
        await dispatcher.drain()


async def owe(store: Store, *subjects: str) -> None:
    for subject in subjects:
        await store.commit(commit(delivery(event(subject, subject=subject), rule="r")))


async def row(store: Store, subject: str) -> Delivery:
    (found,) = [
        one
        for one in await store.deliveries(DeliveryQuery(receiver="team"))
        if one.event.subject == subject
    ]
    return found


async def test_twice_cut_off_it_goes_in_default_words_and_then_it_is_dead(store: Store) -> None:
    await owe(store, "bad")
    service = Service("bad")
    for _ in range(5):
        await start(store, service)
    assert service.seen == [("bad", "own"), ("bad", "own"), ("bad", "default")]
    dead = await row(store, "bad")
    assert (dead.state, dead.note) == ("dead", GIVEN_UP)
    told = [one.event for one in await store.events(EventQuery(types=("delivery.dead",)))]
    assert [(one.data["rule"], one.data["reason"]) for one in told] == [("r", GIVEN_UP)]


async def test_in_default_words_it_may_arrive_and_the_history_says_why(store: Store) -> None:
    await owe(store, "bad")
    for _ in range(2):
        await start(store, Service("bad"))
    await start(store, service := Service())
    assert service.seen == [("bad", "default")]
    sent = await row(store, "bad")
    said = "accepted; the default message was sent: 2 attempts never ended"
    assert (sent.state, sent.cut) == ("delivered", 0)
    assert said in [entry.note for entry in await store.history([sent.key])]


async def test_what_was_only_claimed_beside_it_stays_as_it_was(store: Store) -> None:
    await owe(store, "bad", "c1", "c2")
    service = Service("bad")
    for _ in range(6):
        await start(store, service)
    assert [one for one in service.seen if one[0] != "bad"] == [("c1", "own"), ("c2", "own")]
    assert {(await row(store, name)).state for name in ("c1", "c2")} == {"delivered"}


async def test_an_attempt_that_ends_ends_the_count(store: Store) -> None:
    await owe(store, "bad")
    await start(store, Service("bad"))
    await start(store, Service("bad"))
    await start(store, Service())
    assert (await row(store, "bad")).cut == 0


async def test_a_digest_that_is_halved_ends_the_count(store: Store) -> None:
    """Each half is an attempt of its own, however often the whole was cut off before."""
    await owe(store, *(f"c{number}" for number in range(8)))
    limited = Policy((timedelta(seconds=5),) * 9, limit=(1, timedelta(seconds=1)))

    class Small(Service):
        async def send(self, notice: Notice) -> Result:
            if self.deadly:
                raise Killed
            if len(notice.event.data.get("events", ())) > 1:
                return Result("refused", "too large", certain=True, too_large=True)
            return await super().send(notice)

    now = [T0]
    for service in (Small("all"), Small()):
        await store.unclaim()
        runtime = Runtime(store=store, clock=lambda: now[0], rules=lambda: RULES)
        dispatcher = Dispatcher(ReceiverPlan("team", service, limited, "there", 1), runtime)
        for _ in range(0 if service.deadly else 20):
            await dispatcher.drain()
            now[0] += timedelta(seconds=2)
        if service.deadly:
            with contextlib.suppress(BaseExceptionGroup):
                await dispatcher.drain()
    states = {one.state for one in await store.deliveries(DeliveryQuery(receiver="team"))}
    assert states == {"delivered"}


async def test_to_be_stopped_in_order_is_no_death(store: Store) -> None:
    await owe(store, "slow")
    for _ in range(6):
        await store.unclaim()
        runtime = Runtime(store=store, clock=lambda: T0, rules=lambda: RULES)
        service = Service("slow", hangs=True)
        dispatcher = Dispatcher(ReceiverPlan("team", service, POLICY, "there", 1), runtime)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(dispatcher.drain)
            while not service.seen:  # noqa: ASYNC110 - it is another task's
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        assert service.seen == [("slow", "own")]
    assert (await row(store, "slow")).state == "pending"
