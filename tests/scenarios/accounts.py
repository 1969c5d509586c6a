"""Thousands of events, receivers that fail in every way, a process that dies at random: then the
accounts are settled.

    python -m tests.scenarios.accounts [EVENTS] [SEED]

Real dispatchers over the memory store, in virtual time. A death between what a receiver accepted
and what the store was told is the only excuse for a repeat.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

import anyio
import structlog

from tests.support.virtual_time import JumpLoop, VirtualClock
from watcher.dispatcher import Dispatcher
from watcher.model import Delivery, Event, Result
from watcher.notify import Notice
from watcher.notify.receivers import ReceiverPlan
from watcher.pipeline import Policy
from watcher.records import Commit, DeliveryQuery
from watcher.runtime import Runtime
from watcher.store.memory import MemoryStore

SCHEDULE = tuple(timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200))
EVERY = 20.0
"""Seconds between two events, on average."""


@dataclass
class Books:
    """What the receivers accepted, in their order, and what a death excuses."""

    accepted: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    unrecorded: set[str] = field(default_factory=set)
    excused: Counter[str] = field(default_factory=Counter)
    ways: Counter[str] = field(default_factory=Counter)
    deaths: int = 0


class Unreliable:
    """A receiver that answers, fails, hangs for an hour, breaks or refuses, by its own dice."""

    text = False

    def __init__(self, name: str, books: Books, dice: Random, die: anyio.Event) -> None:
        self._name, self._books, self._dice, self._die = name, books, dice, die

    async def send(self, notice: Notice) -> Result:
        clock = anyio.current_time()
        down = (
            clock // 5400 + len(self._name)
        ) % 7 == 0  # an outage of ninety minutes now and then
        roll = self._dice.random()
        await anyio.sleep(self._dice.random())
        if down or roll < 0.04:
            return self._way(Result("failed", "HTTP 500"))
        if roll < 0.05:
            return self._way(Result("failed", "HTTP 429", retry_after=90), "429")
        if roll < 0.055:
            await anyio.sleep(3600)
            return self._way(Result("failed", "no answer in time"), "hang")
        if roll < 0.06:
            self._books.ways["bug"] += 1
            raise RuntimeError
        if roll < 0.065:
            return self._way(Result("rejected", "too long"))
        if roll < 0.066:
            return self._way(Result("gone", "HTTP 410"))
        key = f"{notice.event.id}/{self._name}"
        accepted = self._books.accepted.setdefault(self._name, [])
        accepted.append((notice.event.subject or "", notice.event.id))
        self._books.unrecorded.add(key)
        if self._dice.random() < 0.01:
            self._die.set()  # the process dies before it hears of it
            await anyio.sleep(60)
        await anyio.sleep(self._dice.random())
        return self._way(Result("ok", "HTTP 200"))

    def _way(self, result: Result, name: str = "") -> Result:
        self._books.ways[name or result.outcome] += 1
        return result

    async def close(self) -> None:
        """Nothing is held."""


async def settle_accounts(count: int, seed: int) -> tuple[Books, MemoryStore]:
    """Let `count` events happen, and the process die and start again, until nothing is pending."""
    dice, books, store, clock = Random(seed), Books(), MemoryStore(), VirtualClock()
    names = ("crm", "team", "archive", "boss")
    left = count
    while left or await store.pending():
        die = anyio.Event()
        await store.unclaim()
        dispatchers = {
            name: Dispatcher(
                ReceiverPlan(name, Unreliable(name, books, dice, die), Policy(SCHEDULE), ""),
                Runtime(store=store, clock=clock),
            )
            for name in names
        }  # fmt: skip
        async with anyio.create_task_group() as tasks:
            for dispatcher in dispatchers.values():
                tasks.start_soon(dispatcher.run)
            with anyio.move_on_after(dice.random() * 3600):
                while not die.is_set():
                    with anyio.move_on_after(dice.expovariate(1 / EVERY)):
                        await die.wait()
                    if left and not die.is_set():
                        await _happen(store, clock, dice, count - left, names)
                        left -= 1
                        for dispatcher in dispatchers.values():
                            dispatcher.wake()
                    if not left and not await store.pending():
                        break
            for dispatcher in dispatchers.values():
                if dispatcher.state.off:
                    await dispatcher.turn_on()  # a person sees to it
            tasks.cancel_scope.cancel()
        books.deaths += 1
        pending = await store.deliveries(DeliveryQuery(state="pending", limit=sys.maxsize))
        books.excused.update(books.unrecorded & {delivery.key for delivery in pending})
        books.unrecorded.clear()
    return books, store


async def _happen(
    store: MemoryStore, clock: VirtualClock, dice: Random, number: int, names: tuple[str, ...]
) -> None:
    now, subject = clock(), f"c{dice.randrange(40)}"
    event = Event(f"e{number:06}", "conversation.message", "sales", subject, now, {})
    owed = [Delivery(event.id, event, name, "rule", now, now) for name in dice.sample(names, k=2)]
    await store.commit(Commit("sales", events=(event,), deliveries=tuple(owed)))


async def verdict(books: Books, store: MemoryStore) -> dict[str, int]:
    """Settle the accounts: raises AssertionError where they do not, else gives the figures."""
    deliveries = await store.deliveries(DeliveryQuery(limit=sys.maxsize))
    states = Counter(delivery.state for delivery in deliveries)
    counts = Counter(
        f"{id_}/{name}" for name, accepted in books.accepted.items() for _, id_ in accepted
    )
    assert states.keys() <= {"delivered", "dead"}, states
    for delivery in deliveries:
        times = counts[delivery.key]
        if delivery.state == "delivered":
            assert times >= 1, f"{delivery.key} is said to be delivered"
        else:
            assert delivery.note, f"{delivery.key} is dead and nobody says why"
        assert times <= 1 + books.excused[delivery.key], f"{delivery.key} came {times} times"
    for name, accepted in books.accepted.items():
        last: dict[str, str] = {}
        for subject, id_ in accepted:
            assert last.get(subject, "") <= id_, f"{name}: {id_} of {subject} came out of order"
            last[subject] = id_
    repeats = sum(times - 1 for times in counts.values())
    return {
        "deliveries": len(deliveries), **states, "deaths": books.deaths, "repeats": repeats,
        "excused": sum(books.excused.values()), **books.ways,
    }  # fmt: skip


async def main(count: int, seed: int) -> None:
    books, store = await settle_accounts(count, seed)
    figures = await verdict(books, store)
    print(" ".join(f"{name}={value}" for name, value in figures.items()))  # noqa: T201 - a tool


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    count, seed = (int(one) for one in (*sys.argv[1:], *("10000", "1")[len(sys.argv) - 1 :]))
    with asyncio.Runner(loop_factory=JumpLoop) as runner:
        runner.run(main(count, seed))
