"""A list that never ends, and a disk that fills: whoever grows stops, everybody else goes on."""

from __future__ import annotations

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from watcher.records import Space
from watcher.simulator import faults
from watcher.store.memory import MemoryStore

MOST = 400
"""How many conversations the source may have."""

BOUND = f"    most_conversations: {MOST}\n"

MIB = 2**20


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_an_endless_baseline_ends_at_the_bound_and_what_is_known_is_watched(
    harness: Harness, kind: str
) -> None:
    harness.watch(kind, "endless", "1", conversations=30, extra=BOUND)
    other = next(one for one in PROVIDERS if one != kind)
    healthy = harness.watch(other, "healthy", "2", conversations=30)
    harness.serve()
    harness.faults[kind].plan(faults.endless(100, text=500))
    async with harness.running() as daemon:
        await harness.baseline()
        (held,) = harness.inbox.of("source.held")
        asked = len(harness.faults[kind].log)
        assert held["data"]["source"] == "endless"
        assert f"`most_conversations` ({MOST})" in held["data"]["reason"]
        assert "raise it" in held["data"]["remedy"]
        assert daemon.pollers["endless"].session.present == MOST
        assert asked < 40
        harness.world.message(healthy.living()[3], "hello?")
        await anyio.sleep(40)
        assert [one["data"]["source"] for one in harness.inbox.of("conversation.message")] == [
            "healthy"
        ]
        await anyio.sleep(3600)
        assert daemon.pollers["endless"].session.present <= MOST
        assert len(harness.inbox.of("source.held")) == 1
        assert "source.failing" not in harness.inbox.own


@pytest.mark.parametrize("kind", PROVIDERS)
async def test_a_list_that_becomes_endless_hides_nothing_that_was_known(
    harness: Harness, kind: str
) -> None:
    account = harness.watch(kind, "sales", "1", conversations=30, extra=BOUND)
    harness.serve()
    async with harness.running() as daemon:
        await harness.baseline()
        began = harness.clock()
        harness.faults[kind].plan(faults.endless(100))
        await anyio.sleep(1800)
        assert daemon.pollers["sales"].session.present <= MOST
        harness.faults[kind].clear()
        harness.world.message(account.living()[3], "hello?")
        await anyio.sleep(1800)
    told = {one["subject"] for one in harness.inbox.of("conversation.message")}
    assert account.living()[3].id in told
    assert set(harness.expect(began)) <= set(harness.got())


async def test_an_account_beyond_its_bound_is_told_and_mended_when_it_is_raised(
    harness: Harness,
) -> None:
    account = harness.watch(
        "chatwoot", "sales", "1", conversations=60, extra="    most_conversations: 50\n"
    )
    async with harness.running() as daemon:
        await harness.baseline()
        assert harness.inbox.own == ["source.baselined", "source.held"]
        assert daemon.pollers["sales"].session.present == 50
        await anyio.sleep(1800)
        assert harness.inbox.own == ["source.baselined", "source.held"]
    harness.restart_with()
    harness.watch_again("chatwoot", "sales", account)
    async with harness.running() as daemon:
        await anyio.sleep(900)
        assert daemon.pollers["sales"].session.present == 60
    (released,) = harness.inbox.of("source.released")
    assert released["data"]["outcome"] == "mended"
    assert not harness.inbox.conversations


async def test_bytes_are_a_bound_too(harness: Harness) -> None:
    harness.watch("chatwoot", "sales", "1", conversations=30, extra="    most_bytes: 1MiB\n")
    harness.serve()
    harness.faults["chatwoot"].plan(faults.endless(100, text=10_000))
    async with harness.running():
        await harness.baseline()
        (held,) = harness.inbox.of("source.held")
        assert "`most_bytes`" in held["data"]["reason"]
        assert await harness.store.size("sales") < 2 * MIB + 100 * 10_000


# -- the disk


class Used(MemoryStore):
    """A store on a disk that it fills: each byte takes its place there twice."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.total = total
        self.freed = 0

    async def space(self) -> Space:
        """Return what is free: the edge, where the other store asks the kernel."""
        used = sum([await self.size(one.name) for one in await self.sources()])
        return Space(self.total - 2 * used + self.freed, self.total)


async def test_a_source_that_fills_the_disk_waits_and_the_others_go_on(harness: Harness) -> None:
    """Before the disk is full, and told: by events, by `status`, by the metric."""
    harness.store = store = Used(20 * MIB)
    harness.watch("chatwoot", "endless", "1", conversations=30)
    healthy = harness.watch("leadping", "healthy", "2", conversations=30)
    harness.serve()
    harness.faults["chatwoot"].plan(faults.endless(50, text=10_000))
    async with harness.running() as daemon:
        await anyio.sleep(400)
        (low,) = harness.inbox.of("watcher.disk_low")
        assert "of the store's disk are left" in low["data"]["reason"]
        assert "least_free" in low["data"]["remedy"]
        assert (await store.space()).free >= MIB  # 5 %
        assert daemon.disk_low() is not None
        (failing,) = harness.inbox.of("source.failing")
        assert failing["data"]["source"] == "endless"
        assert "are kept free" in failing["data"]["reason"]
        asked = len(harness.faults["chatwoot"].log)
        for turn in range(20):
            began = harness.clock()
            harness.world.message(healthy.living()[turn], f"hello {turn}?")
            await anyio.sleep(60)
            (told,) = [
                one
                for one in harness.inbox.of("conversation.message")
                if one["data"]["conversation"]["last_message"]["text"] == f"hello {turn}?"
            ]
            assert told["time"] > began.isoformat()
        assert (await store.space()).free >= MIB
        assert len(harness.faults["chatwoot"].log) - asked < 60  # politely
        assert harness.inbox.own.count("watcher.disk_low") == 1
        # A person makes room, and the list has an end again.
        store.freed = 40 * MIB
        harness.faults["chatwoot"].clear()
        await anyio.sleep(400)
        assert harness.inbox.own.count("watcher.disk_recovered") == 1
        assert [one["data"]["source"] for one in harness.inbox.of("source.recovered")] == [
            "endless"
        ]
        assert daemon.disk_low() is None
        assert daemon.pollers["endless"].session.state.baselined is not None
    kinds = [kind for kind in harness.inbox.own if kind.startswith("watcher.")]
    assert kinds == ["watcher.disk_low", "watcher.disk_recovered"]


async def test_a_disk_that_others_fill_is_told_and_nobody_who_writes_little_waits(
    harness: Harness,
) -> None:
    harness.store = store = Used(2_000 * MIB)
    account = harness.watch("highlevel", "sales", "1", conversations=60)
    async with harness.running():
        await harness.baseline()
        store.freed = -1_950 * MIB
        await anyio.sleep(10)
        assert harness.inbox.own == ["source.baselined", "watcher.disk_low"]
        harness.world.message(account.living()[3], "hello?")
        harness.world.message(harness.world.create(account), "a new one")
        await anyio.sleep(60)
        assert len(harness.inbox.of("conversation.message")) == 1
        assert len(harness.inbox.of("conversation.created")) == 1
    async with harness.running():  # a restart tells nothing twice
        await anyio.sleep(60)
        store.freed = 0
        await anyio.sleep(60)
    assert harness.inbox.own == ["source.baselined", "watcher.disk_low", "watcher.disk_recovered"]
