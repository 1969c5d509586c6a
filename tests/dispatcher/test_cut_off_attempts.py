"""A message in whose attempts the process dies: the default words, then it is dead, and told."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, timedelta, tzinfo
from pathlib import Path

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
from watcher.store.sqlite import SqliteStore, read_lock

RULES = (
    Rule(name="r", when=("conversation.unread",), notify=("team",), message={"body": "own words"}),
    Rule(name="told", when=("delivery.dead",), notify=("ops",)),
)
POLICY = Policy((timedelta(seconds=5),) * 9)
GIVEN_UP = "3 attempts never ended: the process died while it wrote the message"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = MemoryStore() if request.param == "memory" else await SqliteStore.open(tmp_path / "db")
    yield store
    await store.close()


class Killed(BaseException):
    """Stands for the end of the process: nothing after it runs."""


class Service:
    """Takes texts."""

    text = True

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def send(self, notice: Notice) -> Result:
        own = "own" if notice.body == "own words" else "default"
        self.seen.append((str(notice.event.subject), own))
        return Result("ok", "accepted")

    async def close(self) -> None:
        """Close nothing."""


class Unanswered(Service):
    """The process is killed while this one does not answer."""

    async def send(self, notice: Notice) -> Result:
        await super().send(notice)
        raise Killed


async def start(store: Store, service: Service, *, dies: bool = False) -> None:
    """Start a process, and let it send until all is sent, or until it dies as it writes a message."""
    await store.unclaim()

    def zone() -> tzinfo:
        if dies:
            raise Killed
        return UTC

    runtime = Runtime(store=store, clock=lambda: T0, rules=lambda: RULES, zone=zone)
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


async def test_cut_off_three_times_it_is_dead_and_told(store: Store) -> None:
    await owe(store, "bad")
    service = Service()
    for _ in range(3):
        await start(store, service, dies=True)
        assert (await row(store, "bad")).state == "pending"
    await start(store, service)
    assert service.seen == []
    dead = await row(store, "bad")
    assert (dead.state, dead.note) == ("dead", GIVEN_UP)
    told = [one.event for one in await store.events(EventQuery(types=("delivery.dead",)))]
    assert [(one.data["rule"], one.data["reason"]) for one in told] == [("r", GIVEN_UP)]


async def test_cut_off_twice_it_goes_in_default_words_and_the_history_says_why(
    store: Store,
) -> None:
    await owe(store, "bad")
    for _ in range(2):
        await start(store, Service(), dies=True)
    await start(store, service := Service())
    assert service.seen == [("bad", "default")]
    sent = await row(store, "bad")
    said = "accepted; the default message was sent: 2 attempts never ended"
    assert (sent.state, sent.cut) == ("delivered", 0)
    assert said in [entry.note for entry in await store.history([sent.key])]


async def test_what_waits_beside_it_stays_as_it_was(store: Store) -> None:
    await owe(store, "bad", "c1", "c2")
    service = Service()
    for dies in (True, True, True, False):
        await start(store, service, dies=dies)
    assert service.seen == [("c1", "own"), ("c2", "own")]
    assert {(await row(store, name)).state for name in ("c1", "c2")} == {"delivered"}


async def test_to_be_killed_while_nobody_answers_is_no_fault_of_the_message(store: Store) -> None:
    await owe(store, "c1")
    for _ in range(6):
        await start(store, service := Unanswered())
        assert service.seen == [("c1", "own")]
    await start(store, Service())
    assert (await row(store, "c1")).state == "delivered"


async def test_a_digest_that_is_halved_ends_the_count(store: Store) -> None:
    """Each half is an attempt of its own, however often the whole was cut off before."""
    await owe(store, *(f"c{number}" for number in range(8)))
    limited = Policy((timedelta(seconds=5),) * 9, limit=(1, timedelta(seconds=1)))

    class Small(Service):
        async def send(self, notice: Notice) -> Result:
            if len(notice.event.data.get("events", ())) > 1:
                return Result("refused", "too large", certain=True, too_large=True)
            return await super().send(notice)

    await start(store, Service(), dies=True)
    await store.unclaim()
    now = [T0]
    runtime = Runtime(store=store, clock=lambda: now[0], rules=lambda: RULES)
    dispatcher = Dispatcher(ReceiverPlan("team", Small(), limited, "there", 1), runtime)
    for _ in range(20):
        await dispatcher.drain()
        now[0] += timedelta(seconds=2)
    states = {one.state for one in await store.deliveries(DeliveryQuery(receiver="team"))}
    assert states == {"delivered"}


async def test_what_was_being_written_is_known_to_the_next_owner(tmp_path: Path) -> None:
    """However the process ended: the mark lies behind the holder's name, and is no part of it."""
    store = await SqliteStore.open(tmp_path / "db", "daemon")
    store.record_socket("/run/socket")
    await owe(store, "bad")
    store.writing((await row(store, "bad")).key)
    holder = read_lock(tmp_path / "db")
    assert holder is not None
    assert (holder["owner"], holder["socket"]) == ("daemon", "/run/socket")
    await store.close()
    after = await SqliteStore.open(tmp_path / "db")
    await after.unclaim("team")
    assert (await row(after, "bad")).cut == 0
    await after.unclaim()
    await after.unclaim()
    assert (await row(after, "bad")).cut == 1
    await after.close()
