"""One run: the daemon's lives from the first start to the quiet end, by a plan.

Rules: nothing here judges. It keeps what the oracle needs: what was committed and when, by true
time; what failed and when; what every receiver took.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

import anyio

from watcher.config.load import load
from watcher.daemon import Daemon
from watcher.daemon.reload import Reloading
from watcher.model import Delivery, Event, Snapshot
from watcher.records import Commit, DeliveryQuery, EventQuery, Recorded
from watcher.store.sqlite import SqliteStore
from watcher.transport import Transport

from .life import TELLING, Life, MortalStore
from .loop import ExactLoop
from .plan import Turn, draw
from .quick import quick
from .scene import Epoch, Scene

__all__ = ["Entry", "Run", "play"]

SETTLE = 3600.0
EVERYTHING = 10**9
STARTS_WITHIN = 30.0
"""Seconds after a start within which each source has made its first request."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as it was committed: `at` is the true time, `commit` numbers the transactions."""

    seq: int
    event: Event
    at: float
    life: int
    commit: int


@dataclass
class Run(Scene):
    """A run and all that it leaves behind."""

    log: list[Entry] = field(default_factory=list)
    stored: list[Recorded] = field(default_factory=list)
    outbox: list[Delivery] = field(default_factory=list)
    snapshots: dict[str, dict[str, Snapshot]] = field(default_factory=dict)
    baselines: dict[int, frozenset[str]] = field(default_factory=dict)
    """What was known when each baseline was told, by the event's number."""
    joined: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    """When each source's conversations became known: a second time by a return."""
    down: list[tuple[float, float]] = field(default_factory=list)
    deaths: list[float] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    lives: int = 0
    polls: int = 0
    sweeps: int = 0
    commits: int = 0
    _turns: list[Turn] = field(default_factory=list)
    _known: dict[str, set[str]] = field(default_factory=dict)
    _wrote_at: dict[str, list[float]] = field(default_factory=dict)

    # -- lives --------------------------------------------------------------------------------

    async def play(self) -> None:
        """Run from the beginning to the quiet end."""
        for source in self.plan.sources:
            self._enter(source, 0, mapped=False)
        self._turns = list(self.plan.turns)
        async with anyio.create_task_group() as tasks:
            for account_source in self.plan.sources:
                tasks.start_soon(self._tell, account_source)
            tasks.start_soon(self._rotate)
            for one in self.plan.sources:
                tasks.start_soon(self._upgrade, one)
            for window in self.plan.broken:
                tasks.start_soon(self._break, window)
            while self.now() < self.plan.seconds:
                stops = [turn.at for turn in self._turns if not turn.live]
                await self._live(max(min([*stops, self.plan.seconds]), self.now()), mortal=True)
                if self._turns and self.now() >= self._turns[0].at:
                    self._turn(self._turns.pop(0).kind)
            tasks.cancel_scope.cancel()
        await self._settle()

    async def _settle(self) -> None:
        """No more faults: let everything come to rest."""
        for one in (*self.weather.values(), *self.receivers.values()):
            one.calm = True
        for subject in list(self.story.begun):
            self._end(subject)
        for source in self.plan.sources:
            self._write_token(source.name)
            for account in self.accounts[source.name]:
                for conversation in account.conversations.values():
                    if conversation.state.orphan:
                        self.world.orphan(conversation, orphaned=False)
        longest = max(source.sweep_every for source in self.plan.sources)
        await self._live(self.now() + 4 * longest + SETTLE, mortal=False)
        store = await SqliteStore.open(self.folder / "watcher.db")
        try:
            self.stored = list(await store.events(EventQuery(limit=EVERYTHING)))
            self.outbox = list(await store.deliveries(DeliveryQuery(limit=EVERYTHING)))
            for source in self.plan.sources:
                present = await store.present_ids(source.name)
                self.snapshots[source.name] = dict(await store.known(source.name, present))
        finally:
            await store.close()

    async def _live(self, until: float, *, mortal: bool) -> None:
        """Live once: until a time, or until death."""
        self.lives += 1
        began = self.now()
        life = self.life = Life(self.lives, self._fate(mortal=mortal))
        self.say(f"life {life.number} begins")
        file = self.folder / "watcher.yaml"
        file.write_text(self._configure())
        config = load([file], environ={})
        mount: dict[str, Any] = {
            f"http://{source.name}.example": self.dated(source) for source in self.plan.sources
        }
        mount |= {f"http://{name}.example": one for name, one in self.receivers.items()}
        store = await SqliteStore.open(self.folder / "watcher.db")
        try:
            async with Transport(self.wall_clock, mount=mount) as transport:
                proxy: Any = MortalStore(store, life, self._wrote)
                daemon = Daemon(config, store=proxy, transport=transport, clock=self.wall_clock)
                self._daemon = daemon
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._work, daemon, life)
                    tasks.start_soon(self._reload, daemon)
                    if not mortal:
                        tasks.start_soon(self._turn_on, daemon)
                    with anyio.move_on_after(max(0.0, until - self.now())):
                        await life.ended.wait()
                    life.die("the end" if not mortal else "a stop")
                    tasks.cancel_scope.cancel()
                self._count(daemon)
        finally:
            await store.close()
        self.say(f"life {life.number} ends: {life.cause}")
        self.causes[life.cause] += 1
        ended = self.now()
        if mortal:
            self.deaths.append(ended)
            pause = self._chance.choice((1.0, 5.0, 60.0, 600.0, 3600.0))
            await anyio.sleep(pause * self._chance.random())
        self.down.append((ended, self.now() + STARTS_WITHIN))
        if self.now() == began:
            await anyio.sleep(0.001)

    async def _work(self, daemon: Daemon, life: Life) -> None:
        try:
            await daemon.run()
        except Exception:  # noqa: BLE001 - whatever it is, it is a finding
            self.crashes.append(traceback.format_exc())
            life.die("a crash of its own")

    async def _reload(self, daemon: Daemon) -> None:
        """Have the running daemon take up what changes in the configuration, at its time."""
        file = self.folder / "watcher.yaml"
        while self._turns and self._turns[0].live:
            await anyio.sleep(max(0.0, self._turns[0].at - self.now()))
            began = self.now()
            entered = self._turn(self._turns.pop(0).kind, live=True)
            file.write_text(self._configure())
            try:
                told = await Reloading(daemon, lambda: load([file], environ={})).reload()
                assert "problems" not in told, told
            finally:  # dead or alive
                if entered:
                    self._began(entered)
                self.down.append((began, self.now() + STARTS_WITHIN))

    async def _turn_on(self, daemon: Daemon) -> None:
        """A person turns receivers on again that answered 410."""
        while True:
            await anyio.sleep(600)
            for name in daemon.dispatchers:
                await daemon.turn_on(name)

    def _fate(self, *, mortal: bool) -> Callable[[str], bool]:
        rng, mean = self._chance, self.plan.deaths
        if not mortal or not mean:
            return lambda where: False
        after = 0.0 if rng.random() < 0.25 else rng.expovariate(1 / mean)
        due, left = self.now() + after, rng.randrange(60 if after == 0.0 else 8)
        place = ""
        if after and rng.random() < 0.3:  # where a death would hurt most
            place, left = TELLING, rng.randrange(2)

        def ends(where: str) -> bool:
            nonlocal left
            if self.now() < due or place not in where:
                return False
            left -= 1
            return left < 0

        return ends

    def _count(self, daemon: Daemon) -> None:
        metrics = daemon.metrics
        walks = (one for (_provider, outcome), one in metrics.polls.each() if outcome == "ok")
        self.polls += int(sum(one.read() for one in walks))
        self.sweeps += int(sum(one.read() for _labels, one in metrics.sweeps.each()))

    def _wrote(self, name: str, given: tuple[Any, ...], result: Any) -> None:
        if name not in ("commit", "settle"):
            return
        self.commits += 1
        for one in given:
            if isinstance(one, Commit):
                self._believe(one)
        for recorded in result:
            event = recorded.event
            if event.type == "source.baselined":
                self.baselines[recorded.seq] = frozenset(self._known[event.source])
            self.log.append(Entry(recorded.seq, event, self.now(), self.life.number, self.commits))
            self.say(f"event {recorded.seq} {event.source} {event.type} {event.subject or ''}")

    def _believe(self, commit: Commit) -> None:
        """Note which conversations are known after a commit."""
        self._wrote_at.setdefault(commit.source, []).append(self.now())
        known = self._known.setdefault(commit.source, set())
        if commit.forget:
            known.clear()
        for snapshot in commit.snapshots:
            subject = snapshot.conversation.id
            if snapshot.present and subject not in known:
                self.joined.setdefault((commit.source, subject), []).append(self.now())
            (known.add if snapshot.present else known.discard)(subject)

    def taken_up(self, source: str) -> list[Epoch]:
        """Return what a source watched, without what no process lived to take up."""
        epochs = self.epochs.get(source, [])
        ends = [epoch.start for epoch in epochs[1:]]
        return [
            epoch
            for epoch, end in zip_longest(epochs, ends, fillvalue=float("inf"))
            if any(epoch.start <= at < end for at in self._wrote_at.get(source, []))
        ]

    @property
    def requests(self) -> int:
        """All requests to providers."""
        return sum(weather.requests for weather in self.weather.values())


def play(seed: int, days: float, *, trace: bool = False, threads: bool = False) -> Run:
    """Play the run of a seed and give it back, finished."""
    place = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there
    folder = Path(tempfile.mkdtemp(prefix="simulation-", dir=place if place.is_dir() else None))
    try:
        with quick(threads=threads), asyncio.Runner(loop_factory=ExactLoop) as runner:
            run = Run(draw(seed, days), folder, trace=[] if trace else None)
            runner.run(run.play())
        return run
    finally:
        shutil.rmtree(folder, ignore_errors=True)
