"""One run: the daemon's lives from the first start to the quiet end, by a plan.

Law: nothing here judges. It keeps what the oracle needs: what was committed and when, by true
time; what failed and when; what every receiver took.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
from support.virtual_time import START

from watcher.config import load
from watcher.daemon import Daemon
from watcher.model import Delivery, Event, Snapshot
from watcher.records import DeliveryQuery, EventQuery, Recorded
from watcher.simulator import Account, Conversation, Dated, World, chatwoot, leadconnector, leadping
from watcher.store.sqlite import SqliteStore
from watcher.transport import Transport

from .inbox import Receiver
from .life import Life, MortalStore
from .loop import ExactLoop
from .plan import Plan, SourcePlan, Window, chance, draw
from .quick import quick
from .story import Story
from .weather import AFTER, Weather

__all__ = ["Entry", "Epoch", "Run", "play"]

APPS: dict[str, Any] = {
    "chatwoot": (chatwoot.app, chatwoot.Options),
    "highlevel": (leadconnector.app, leadconnector.Options),
    "leadping": (leadping.app, leadping.Options),
}
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RETRY = "[5s, 30s, 2m, 10m, 20m]"
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


@dataclass(frozen=True, slots=True)
class Epoch:
    """From `start` on a source watches this account, with or without its mapping."""

    start: float
    account: Account
    mapped: bool


@dataclass
class Run:
    """A run and all that it leaves behind."""

    plan: Plan
    folder: Path
    trace: list[tuple[float, str]] | None = None
    log: list[Entry] = field(default_factory=list)
    stored: list[Recorded] = field(default_factory=list)
    outbox: list[Delivery] = field(default_factory=list)
    snapshots: dict[str, dict[str, Snapshot]] = field(default_factory=dict)
    epochs: dict[str, list[Epoch]] = field(default_factory=dict)
    down: list[tuple[float, float]] = field(default_factory=list)
    deaths: list[float] = field(default_factory=list)
    crashes: list[str] = field(default_factory=list)
    causes: Counter[str] = field(default_factory=Counter)
    lives: int = 0
    polls: int = 0
    sweeps: int = 0

    def __post_init__(self) -> None:
        Conversation.KEPT = 1_000_000  # the oracle asks for every state
        self.world = World(self.true_clock, self.plan.seed)
        self.story = Story(self.world, chance(self.plan.seed, "story"))
        self.life = Life(0, lambda where: False)
        self.calm = False
        self.team = True
        self.pace = 1.0
        self._chance = chance(self.plan.seed, "life")
        self._commits = 0
        self.accounts: dict[str, list[Account]] = {}
        self.tokens: dict[str, str] = {}
        self.weather: dict[str, Weather] = {}
        self.receivers = {
            name: Receiver(
                name,
                self.plan.receiver_windows,
                self.plan.receiver_errors,
                chance(self.plan.seed, f"receiver {name}"),
                self.now,
                lambda: self.life,
                self.say,
            )
            for name in ("crm", "team")
        }
        for source in self.plan.sources:
            self._open(source)

    # -- time ---------------------------------------------------------------------------------

    @staticmethod
    def now() -> float:
        """Give the true time, in seconds since the beginning."""
        return asyncio.get_running_loop().time()

    def true_clock(self) -> datetime:
        """The providers' clock, which is right."""
        return START + timedelta(seconds=self.now())

    def offset(self, at: float) -> float:
        """Give by how many seconds our wall clock is ahead at a true time."""
        return self.plan.skew + sum(size for when, size in self.plan.jumps if when <= at)

    def wall_clock(self) -> datetime:
        """Our clock, which may be wrong and may jump."""
        return START + timedelta(seconds=self.now() + self.offset(self.now()))

    def say(self, text: str) -> None:
        """Keep a line for the timeline, where one is wanted."""
        if self.trace is not None:
            self.trace.append((self.now(), text))

    # -- the stage ----------------------------------------------------------------------------

    def _open(self, source: SourcePlan) -> None:
        accounts: list[Account] = []
        self.accounts[source.name] = accounts
        build, options = APPS[source.kind]
        extra = dict(source.options)
        if source.kind == "highlevel":
            extra["index_delay"] = source.index_delay
        app = build(self.world, options(**extra), accounts=accounts)
        self.weather[source.name] = Weather(
            app,
            source,
            self.plan,
            chance(self.plan.seed, f"weather {source.name}"),
            now=self.now,
            life=lambda: self.life,
            lying=lambda: self._baselined(source.name),
            say=self.say,
        )
        self.epochs[source.name] = []

    def _account(self, source: SourcePlan, number: int) -> Account:
        accounts = self.accounts[source.name]
        while len(accounts) <= number:
            key = str(len(self.world.accounts) + 1)
            opened = self.world.open_account(
                source.kind,  # type: ignore[arg-type]
                key,
                conversations=source.rows,
            )
            accounts.append(opened)
            self.tokens[opened.key] = opened.token
        return accounts[number]

    def _baselined(self, name: str) -> bool:
        daemon = self._daemon
        return daemon is not None and daemon.pollers[name].desk.state.baselined is not None

    def _configure(self) -> str:
        """Give the configuration's text as it is now."""
        sources = ""
        for source in self.plan.sources:
            epoch = self.epochs[source.name][-1]
            place = {
                "chatwoot": f"account_id: {epoch.account.id}",
                "highlevel": f'location_id: "{epoch.account.id}"',
                "leadping": f'organization: "{epoch.account.id}"',
            }[source.kind]
            if source.kind != "chatwoot":
                place += f"\n    page_size: {source.page_size}"
            if epoch.mapped:
                place += "\n    fields: {disposition: custom_attributes.outcome}"
            token = self.folder / f"{source.name}.token"
            sources += (
                f"  {source.name}:\n    provider: {source.provider}\n"
                f"    base_url: http://{source.name}.example\n    token: ${{file:{token}}}\n"
                f"    poll_every: {source.poll_every * self.pace:.0f}s\n"
                f"    sweep_every: {source.sweep_every * self.pace:.0f}s\n    {place}\n"
            )
        names = ("crm", "team") if self.team else ("crm",)
        receivers = "".join(
            f"  {name}:\n    type: webhook\n    url: http://{name}.example/hook\n"
            f"    secret: {SECRET}\n    retry: {RETRY}\n"
            for name in names
        )
        rules = "  - {name: all, when: '*', notify: crm}\n"
        if self.team:
            rules += (
                "  - {name: some, when: [conversation.created, conversation.unread],"
                " where: 'conversation.channel != \"sms\"', notify: [team, crm]}\n"
            )
            if self.plan.timers:
                rules += (
                    "  - {name: late, when: conversation.unread, for: 15m, notify: team,"
                    " where: 'conversation.channel == \"email\"'}\n"
                )
        return (
            f"store: {self.folder}/watcher.db\nserver: false\nretention: {{events: 400d, deliveries: 400d}}\n"
            f"sources:\n{sources}receivers:\n{receivers}rules:\n{rules}"
        )

    # -- lives --------------------------------------------------------------------------------

    async def play(self) -> None:
        """Run from the beginning to the quiet end."""
        self._daemon: Daemon | None = None
        for source in self.plan.sources:
            self._enter(source, 0, mapped=False)
        turns = list(self.plan.turns)
        async with anyio.create_task_group() as tasks:
            for account_source in self.plan.sources:
                tasks.start_soon(self._tell, account_source)
            tasks.start_soon(self._rotate)
            for window in self.plan.broken:
                tasks.start_soon(self._break, window)
            while self.now() < self.plan.seconds:
                stop = min(turns[0][0] if turns else self.plan.seconds, self.plan.seconds)
                await self._live(max(stop, self.now()), mortal=True)
                if turns and self.now() >= turns[0][0]:
                    self._turn(turns.pop(0)[1])
            tasks.cancel_scope.cancel()
        await self._settle()

    async def _settle(self) -> None:
        """No more faults: let everything come to rest."""
        self.calm = True
        for one in (*self.weather.values(), *self.receivers.values()):
            one.calm = True
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
                present = await store.present(source.name)
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
            f"http://{name}.example": Dated(weather, self.true_clock)
            for name, weather in self.weather.items()
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

        def ends(where: str) -> bool:
            nonlocal left
            if self.now() < due:
                return False
            left -= 1
            return left < 0

        return ends

    def _count(self, daemon: Daemon) -> None:
        for metric in daemon.metrics.polls.collect():
            self.polls += int(sum(s.value for s in metric.samples if s.name.endswith("_total")))
        for metric in daemon.metrics.sweeps.collect():
            self.sweeps += int(sum(s.value for s in metric.samples if s.name.endswith("_total")))

    def _wrote(self, name: str, given: tuple[Any, ...], result: Any) -> None:
        if name not in ("commit", "settle"):
            return
        self._commits += 1
        for recorded in result:
            event = recorded.event
            self.log.append(Entry(recorded.seq, event, self.now(), self.life.number, self._commits))
            self.say(f"event {recorded.seq} {event.source} {event.type} {event.subject or ''}")

    # -- what happens around it -----------------------------------------------------------------

    def _enter(self, source: SourcePlan, number: int, *, mapped: bool) -> None:
        account = self._account(source, number)
        self.epochs[source.name].append(Epoch(self.now(), account, mapped))
        self._write_token(source.name)

    def _write_token(self, name: str) -> None:
        account = self.epochs[name][-1].account
        (self.folder / f"{name}.token").write_text(self.tokens[account.key])

    def _turn(self, kind: str) -> None:
        """Change the configuration; a restart takes it up (a live reload could, too)."""
        self.say(f"the configuration changes: {kind}")
        self.causes[f"configuration: {kind}"] += 1
        if kind == "pace":
            self.pace = 1.0 if self.pace != 1.0 else 0.6
        elif kind == "rules":
            self.team = not self.team
        else:
            source = self._chance.choice(self.plan.sources)
            epoch = self.epochs[source.name][-1]
            number = self.accounts[source.name].index(epoch.account)
            if kind == "account":
                self._enter(source, 1 - number, mapped=epoch.mapped)
            elif source.kind == "chatwoot":
                self._enter(source, number, mapped=not epoch.mapped)

    async def _tell(self, source: SourcePlan) -> None:
        """Let the story of one source's accounts go on; calm hours, and bursts."""
        rng = chance(self.plan.seed, f"story {source.name}")
        while True:
            await anyio.sleep(rng.expovariate(source.changes))
            for _ in range(rng.choice((1, 1, 1, 1, 2, 6))):
                account = rng.choice(self.accounts[source.name])
                told = self.story.act(account)
                if told:
                    self.say(f"{account.key}: {told}")
                await anyio.sleep(rng.choice((0.001, 0.5, 3.0, 40.0)))

    async def _rotate(self) -> None:
        """Tokens expire; what replaces them is in the file at once or a while later."""
        for at, name, late in self.plan.rotations:
            await anyio.sleep(max(0.0, at - self.now()))
            account = self.epochs[name][-1].account
            viewer = account.tokens.pop(self.tokens[account.key])
            token = f"{account.token}-{at:.0f}"
            account.tokens[token] = viewer
            self.tokens[account.key] = token
            self.weather[name].note("token_expired", late + AFTER)
            await anyio.sleep(late)
            self._write_token(name)

    async def _break(self, window: Window) -> None:
        """Half delete a contact of a Chatwoot account, and mend it later."""
        await anyio.sleep(window.start)
        living = self.accounts[str(window.source)][0].living()
        if not living:
            return
        broken = chance(self.plan.seed, "orphan").choice(living)
        self.world.orphan(broken)
        weather = self.weather[str(window.source)]
        weather.note("orphan", window.end - window.start + AFTER)
        await anyio.sleep(window.end - window.start)
        self.world.orphan(broken, orphaned=False)

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
