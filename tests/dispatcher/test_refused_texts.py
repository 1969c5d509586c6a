"""A refused text goes out once more, short and plain; then it is dead, and told. Both stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support.make import T0, commit, delivery, event
from watcher.dispatcher import Dispatcher
from watcher.model import Result
from watcher.notify import Notice
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import Policy
from watcher.records import DeliveryQuery, EventQuery
from watcher.rules import Rule
from watcher.runtime import Runtime
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.store.sqlite import SqliteStore

RULES = (Rule(name="own", when=("delivery.dead",), notify=("team", "ops")),)
POLICY = Policy((timedelta(seconds=5), timedelta(minutes=1)), once_more=True, shortens=True)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "db")
    yield store
    await store.close()


class Service:
    """Takes texts, but not those about certain conversations; some of them if they are short."""

    text = True

    def __init__(self, never: tuple[str, ...] = (), short: tuple[str, ...] = ()) -> None:
        self.never, self.short = never, short
        self.certain = True
        self.seen: list[str] = []

    async def send(self, notice: Notice) -> Result:
        name = str(notice.event.subject)
        self.seen.append(f"{name} short" if notice.brief else name)
        if name in self.never or (name in self.short and not notice.brief):
            return Result("refused", "Chat: message is too long", certain=self.certain)
        return Result("ok", "Chat: accepted")

    async def close(self) -> None:
        """Close nothing."""


class Sending:
    """A dispatcher in a time of its own."""

    def __init__(self, store: Store, service: Service) -> None:
        self.now = T0
        runtime = Runtime(store=store, clock=lambda: self.now, rules=lambda: RULES)
        self.dispatcher = Dispatcher(ReceiverPlan("team", service, POLICY, "there", 1), runtime)

    async def until(self, then: datetime) -> None:
        await self.dispatcher.drain()
        while (due := await self.dispatcher.next_due()) is not None and due <= then:
            self.now = max(self.now, due)
            await self.dispatcher.drain()
        self.now = then


async def owe(store: Store, *subjects: str) -> None:
    for number, subject in enumerate(subjects):
        await store.commit(commit(delivery(event(f"{subject}.{number}", subject=subject))))


async def test_it_goes_once_more_short_and_is_taken(store: Store) -> None:
    service = Service(short=("c1",))
    await owe(store, "c1", "c2", "c1")
    await Sending(store, service).until(T0 + timedelta(minutes=5))
    assert service.seen == ["c1", "c2", "c1 short", "c1", "c1 short"]
    assert {one.state for one in await store.deliveries(DeliveryQuery())} == {"delivered"}


@pytest.mark.parametrize("certain", [True, False])
async def test_refused_again_it_is_dead_and_told_once(store: Store, certain: bool) -> None:
    service = Service(never=("c1",))
    service.certain = certain
    await owe(store, "c2", "c1", "c3", "c1")
    await Sending(store, service).until(T0 + timedelta(minutes=5))
    assert service.seen == ["c2", "c1", "c3", "c1 short", "c1", "c1 short"]
    dead = await store.deliveries(DeliveryQuery(state="dead"))
    assert [(one.event.id, one.attempt) for one in dead] == [("c1.1", 2), ("c1.3", 2)]
    said = "refused, also as short plain text: Chat: message is too long"
    assert {one.note for one in dead} == {said}
    told = await store.events(EventQuery())
    own = [one.event for one in told if one.event.type == "delivery.dead"]
    assert [one.data["event"]["id"] for one in own] == ["c1.1", "c1.3"]
    assert [one.data["reason"] for one in own] == [said] * 2
    assert [one.receiver for one in await store.deliveries(DeliveryQuery(state="pending"))] == [
        "ops"
    ] * 2, "and not the receiver that it is about"
    assert (await store.receivers())["team"].failing is None


async def test_one_that_refuses_all_is_failing_and_nothing_dies_of_it_at_once(store: Store) -> None:
    service = Service(never=("c1", "c2"))
    service.certain = False
    await owe(store, "c1", "c2")
    await Sending(store, service).until(T0 + timedelta(seconds=30))
    assert (await store.receivers())["team"].failing is not None
    assert await store.dead() == {}
