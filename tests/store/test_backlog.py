"""What a long backlog costs: nothing more than a short one. Counted in SQLite's steps, never by clocks."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.backlog import make_backlog
from tests.support.make import LEASE, T0, acted, at, commit, delivery, event, settlement
from watcher.model import Delivery
from watcher.records import DeliveryQuery, EventQuery
from watcher.store import Store
from watcher.store.sqlite import SqliteStore

SHORT, LONG = 2_000, 200_000
"""How many deliveries wait, all receivers together."""

CONVERSATIONS = {"one": 1, "ten": 10, "many": 2_000}
MORE = 1.2, 150
"""How many times as many steps, and how many more, a long backlog may cost: its numbers are longer."""


def fill(path: Path, most: int) -> None:
    """Make a store in which so much waits for receivers of each kind."""
    each = most // 8
    store = make_backlog(path)
    for receiver, conversations in CONVERSATIONS.items():
        store.add(receiver, each, conversations)
    # Behind one that waits for its next attempt, and behind one that is out.
    due, out = f"{int(T0.timestamp() + 500)} * 1000000", f"{int(T0.timestamp() + 90)} * 1000000"
    store.add("postponed", each, 1, due=f"CASE n WHEN 0 THEN {due} ELSE e.time END")
    store.add("leased", each, 1, lease=f"CASE n WHEN 0 THEN {out} END")
    timers = {"timer": "'Rule'", "kind": "'for'", "due": f"e.time + {3600 * 10**6}"}
    store.add("timers", each, 500, **timers, id="e.id || '.for'")
    store.add("digests", each, 10, kind="'digest'", batch="'Rule|' || (n % 3)", id="e.id || '.d'")
    # Eighty digests went out in the last minute.
    gone = f"{int(T0.timestamp() - 40)} * 1000000 + n % 80"
    sent = {"state": "'delivered'", "settled": gone, "message": "'m' || (n % 80)"}
    store.add("sent", each, 10, **sent)
    store.close()


@dataclass
class Counted:
    """A store whose steps are counted."""

    store: SqliteStore
    steps: int = 0

    async def cost(self, act: Callable[[Store], Awaitable[Any]]) -> tuple[int, Any]:
        """Return the steps that something takes, and its answer."""
        self.steps = 0
        answer = await act(self.store)
        return self.steps, answer

    async def watch(self) -> None:
        """Count from now on."""

        def step() -> None:
            self.steps += 1

        assert self.store._writer is not None
        self.store._writer.connection.set_progress_handler(step, 1)
        await self.store._reader._connection.set_progress_handler(step, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Path]:
    folder = tmp_path_factory.mktemp("backlog")
    for most in (SHORT, LONG):
        fill(folder / str(most), most)
    return {most: folder / str(most) for most in (SHORT, LONG)}


@pytest.fixture
async def stores(files: Mapping[int, Path]) -> AsyncIterator[tuple[Counted, Counted]]:
    opened = [await SqliteStore.open(files[most]) for most in (SHORT, LONG)]
    short, long = (Counted(store) for store in opened)
    for each in (short, long):
        await each.watch()
    yield short, long
    for store in opened:
        await store.close()


async def assert_alike(
    stores: tuple[Counted, Counted], act: Callable[[Store], Awaitable[Any]]
) -> Any:
    """Fail if it costs more in the longer backlog; return what that answers."""
    (few, _), (many, answer) = [await each.cost(act) for each in stores]
    factor, more = MORE
    assert 0 < many <= factor * few + more, f"{few} steps with {SHORT}, {many} with {LONG}"
    return answer


fresh: Iterator[int] = itertools.count()


@pytest.mark.parametrize("receiver", CONVERSATIONS)
@pytest.mark.parametrize("limit", [1, 8])
async def test_claim_and_settle(stores: tuple[Counted, Counted], receiver: str, limit: int) -> None:
    taken = await assert_alike(
        stores, lambda store: store.claim(receiver, T0, lease=LEASE, limit=limit)
    )
    assert len(taken) == min(limit, CONVERSATIONS[receiver])
    for outcome in ("pending", "delivered"):

        async def settle(store: Store, outcome: str = outcome) -> None:
            # The same rows in both: those of the shorter one are others.
            out = await store.deliveries(DeliveryQuery(receiver=receiver, state="pending", limit=1))
            await store.settle([settlement(one, outcome) for one in out])

        await assert_alike(stores, settle)
    for each in stores:
        await each.store.unclaim(receiver)


@pytest.mark.parametrize("receiver", CONVERSATIONS)
async def test_claim_together(stores: tuple[Counted, Counted], receiver: str) -> None:
    taken = await assert_alike(
        stores, lambda store: store.claim(receiver, T0, lease=LEASE, limit=100, together=True)
    )
    assert len(taken) == 100
    for each in stores:
        await each.store.unclaim(receiver)


@pytest.mark.parametrize("receiver", ["postponed", "leased"])
@pytest.mark.parametrize("together", [False, True])
async def test_what_is_blocked_is_not_walked(
    stores: tuple[Counted, Counted], receiver: str, together: bool
) -> None:
    for limit in (1, 500):
        taken = await assert_alike(
            stores,
            lambda store, limit=limit: store.claim(
                receiver, T0, lease=LEASE, limit=limit, together=together
            ),
        )
        assert taken == []
    assert await assert_alike(stores, lambda store: store.ready(receiver, T0)) is False


async def test_a_settled_head_lets_the_next_one_go(stores: tuple[Counted, Counted]) -> None:
    async def deliver(store: Store) -> list[Delivery]:
        out = await store.claim("postponed", at(600), lease=LEASE, limit=1)
        await store.settle([settlement(one) for one in out])
        return [*out, *await store.claim("postponed", at(600), lease=LEASE, limit=9)]

    first, second = await assert_alike(stores, deliver)
    assert (first.id, second.id) == ("postponed0", "postponed1")


ALL = (*CONVERSATIONS, "postponed", "leased", "timers", "digests")


@pytest.mark.parametrize("receiver", ALL)
async def test_next_due(stores: tuple[Counted, Counted], receiver: str) -> None:
    await assert_alike(stores, lambda store: store.next_due(receiver))
    await assert_alike(stores, lambda store: store.next_due(receiver, after=T0))


async def test_sent_since(stores: tuple[Counted, Counted]) -> None:
    since = T0 - timedelta(minutes=1)
    sent = await assert_alike(stores, lambda store: store.sent_since("sent", since))
    assert len(sent) == 80


async def test_collect(stores: tuple[Counted, Counted]) -> None:
    async def collect(store: Store) -> int:
        # As many in both: the shorter backlog has no full digest.
        out = (await store.collect("digests", T0, lease=LEASE))[:80]
        await store.settle([settlement(one) for one in out])
        return len(out)

    few, many = [await each.cost(collect) for each in stores]
    for each in stores:
        await each.store.unclaim("digests")
    assert few[1] == many[1] == 80
    # The longer one takes 500 at once, the shorter one what there is: 83.
    assert many[0] / 500 <= MORE[0] * few[0] / 83


async def test_counts(stores: tuple[Counted, Counted]) -> None:
    await assert_alike(stores, lambda store: store.dead())
    await assert_alike(stores, lambda store: store.dead(since=T0))
    pending = await assert_alike(stores, lambda store: store.pending())
    assert pending["leased"] == LONG // 8
    before = T0 - timedelta(days=3000)
    queues = await assert_alike(stores, lambda store: store.queues(before))
    assert queues["timers"].waiting == LONG // 8


@pytest.mark.parametrize(
    "query",
    [
        DeliveryQuery(limit=50),
        DeliveryQuery(limit=50, state="pending"),
        DeliveryQuery(limit=50, state="pending", receiver="ten"),
        DeliveryQuery(limit=50, state="pending", receiver="ten", stands=("due", T0)),
        DeliveryQuery(limit=50, state="delivered", receiver="sent"),
        DeliveryQuery(limit=50, state="dead"),
        DeliveryQuery(limit=50, receiver="many"),
        DeliveryQuery(limit=50, sources=("sales",), conversations=("one-0",)),
        DeliveryQuery(events=("ten5",)),
        DeliveryQuery(id="ten5"),
    ],
    ids=lambda query: ", ".join(f"{k}={v}" for k, v in asdict(query).items() if v),
)
async def test_lists_of_deliveries(stores: tuple[Counted, Counted], query: DeliveryQuery) -> None:
    await assert_alike(stores, lambda store: store.deliveries(query))


@pytest.mark.parametrize(
    "query",
    [
        EventQuery(limit=50),
        EventQuery(limit=50, conversations=("one-0",)),
        EventQuery(limit=50, sources=("sales",)),
        EventQuery(id="ten5"),
    ],
    ids=lambda query: ", ".join(f"{k}={v}" for k, v in asdict(query).items() if v),
)
async def test_lists_of_events(stores: tuple[Counted, Counted], query: EventQuery) -> None:
    await assert_alike(stores, lambda store: store.events(query))


@pytest.mark.parametrize("receiver", CONVERSATIONS)
async def test_a_new_event_joins_the_end(stores: tuple[Counted, Counted], receiver: str) -> None:
    number = next(fresh)
    new = event(f"new{number}", subject=f"{receiver}-0")
    await assert_alike(stores, lambda store: store.commit(commit(delivery(new, receiver=receiver))))


async def test_leases_and_acknowledging_cost_what_they_change(
    stores: tuple[Counted, Counted],
) -> None:
    await assert_alike(stores, lambda store: store.renew("leased", at(90)))
    await assert_alike(stores, lambda store: store.acknowledge("sales", "c9", "seen", acted()))
    await assert_alike(stores, lambda store: store.begin(["one1/one"]))
    await assert_alike(stores, lambda store: store.retry(["ten5"], T0))
    await assert_alike(stores, lambda store: store.unclaim())


async def test_what_is_settled_together_is_looked_for_together(
    stores: tuple[Counted, Counted],
) -> None:
    """Thirty-two of different conversations cost as many reads as one, and each fewer steps."""
    store = stores[1].store
    said: list[str] = []
    assert store._writer is not None
    connection = store._writer.connection

    async def cost(number: int) -> tuple[int, int]:
        taken = await store.claim("many", T0, lease=LEASE, limit=number)
        connection.set_trace_callback(said.append)
        said.clear()
        steps, _ = await stores[1].cost(
            lambda store: store.settle([settlement(one) for one in taken])
        )
        connection.set_trace_callback(None)
        assert len(taken) == number
        return sum("SELECT" in one.partition("WHERE")[0] for one in said), steps

    (reads, steps), (more_reads, more_steps) = await cost(1), await cost(32)
    assert reads == more_reads == 1
    assert more_steps < 32 * steps
