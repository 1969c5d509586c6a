"""The stage of a run: time, the world, its accounts, the way to them, the receivers, the configuration.

Rules: what happens here happens by the plan, at its time; the daemon's lives are `run`'s.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import anyio

from tests.support.virtual_time import START
from watcher.daemon import Daemon
from watcher.simulator import (
    Account,
    Conversation,
    Dated,
    World,
    chatwoot,
    leadconnector,
    leadping,
)

from .inbox import Receiver
from .life import Life
from .plan import Plan, SourcePlan, Window, chance
from .story import Begun, Story
from .weather import AFTER, Weather

__all__ = ["WAITS", "WAITS_FOR", "Epoch", "Scene"]

APPS: dict[str, Any] = {
    "chatwoot": (chatwoot.app, chatwoot.Options),
    "highlevel": (leadconnector.app, leadconnector.Options),
    "leadping": (leadping.app, leadping.Options),
}
SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
INSTANT = 1e-6
"""Seconds after what was written last under the old configuration."""
WAITS = "waits"
"""The rule that tells of customers who wait, and of the end."""
WAITS_FOR = 1200.0
FIRST_NUMBER = 1001
"""Of a Chatwoot account's conversations: older ones that come into view have lower ones."""
MOMENT = 25.0
"""Seconds that each of two steps of a deletion lasts at most."""
RETRY = "[5s, 30s, 2m, 10m, 20m]"


@dataclass(frozen=True, slots=True)
class Epoch:
    """From `start` on a source watches this account, with or without its mapping."""

    start: float
    account: Account
    mapped: bool


@dataclass
class Scene:
    """The stage by a plan. `epochs` say what each source watched since when."""

    plan: Plan
    folder: Path
    trace: list[tuple[float, str]] | None = None
    epochs: dict[str, list[Epoch]] = field(default_factory=dict)
    causes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        Conversation.KEPT = 1_000_000  # the oracle asks for every state
        self.world = World(self.true_clock, self.plan.seed)
        self.story = Story(self.world, chance(self.plan.seed, "story"))
        self.life = Life(0, lambda where: False)
        self.team = True
        self.turned: list[tuple[float, str]] = []
        self.pace = 1.0
        self._chance = chance(self.plan.seed, "life")
        self._daemon: Daemon | None = None
        self.accounts: dict[str, list[Account]] = {}
        self.tokens: dict[str, str] = {}
        self.weather: dict[str, Weather] = {}
        self.receivers = {
            name: Receiver(
                name,
                self.plan.receiver_windows,
                self.plan.receiver_errors,
                self.plan.receiver_refuses,
                chance(self.plan.seed, f"receiver {name}"),
                self.now,
                lambda: self.life,
                self.say,
            )
            for name in ("crm", "team")
        }
        for source in self.plan.sources:
            self._open(source)

    # -- time ----------------------------------------------------------------------------------------

    @staticmethod
    def now() -> float:
        """Return the true time, in seconds since the beginning."""
        return asyncio.get_running_loop().time()

    def true_clock(self) -> datetime:
        """The true time, which the providers' clocks differ from as they are planned to."""
        return START + timedelta(seconds=self.now())

    def offset(self, at: float) -> float:
        """Return by how many seconds our wall clock is ahead at a true time."""
        return self.plan.skew + sum(size for when, size in self.plan.jumps if when <= at)

    def wall_clock(self) -> datetime:
        """Our clock, which may be wrong and may jump."""
        return START + timedelta(seconds=self.now() + self.offset(self.now()))

    def say(self, text: str) -> None:
        """Keep a line for the timeline, where one is wanted."""
        if self.trace is not None:
            self.trace.append((self.now(), text))

    # -- the stage -----------------------------------------------------------------------------------

    def _open(self, source: SourcePlan) -> None:
        accounts: list[Account] = []
        self.accounts[source.name] = accounts
        build, options = APPS[source.kind]
        extra = {
            **source.options,
            "rendering": source.rendering,
            "commit_lag": source.commit_lag,
        }
        if source.kind == "highlevel":
            extra["index_delay"] = source.index_delay
        app = build(self.world, options(**extra), accounts=accounts)
        tears = chance(self.plan.seed, f"tears {source.name}")
        self.weather[source.name] = Weather(
            app,
            source,
            self.plan,
            chance(self.plan.seed, f"weather {source.name}"),
            now=self.now,
            life=lambda: self.life,
            lying=lambda: self._baselined(source.name),
            tear=lambda: self._tear(source.name, tears),
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
                version=source.version_at(self.now()),
                clock_off=source.clock_off,
                first_number=FIRST_NUMBER,
            )
            accounts.append(opened)
            self.tokens[opened.key] = opened.token
        return accounts[number]

    def _baselined(self, name: str) -> bool:
        daemon = self._daemon
        poller = daemon.pollers.get(name) if daemon is not None else None
        return poller is not None and poller.session.state.baselined is not None

    def _configure(self) -> str:
        """Return the configuration's text as it is now."""
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
            rules += "  - {name: dead letters, when: delivery.dead, notify: team}\n"
            if self.plan.timers:
                rules += (
                    f"  - {{name: {WAITS}, when: conversation.waiting, for: {WAITS_FOR:.0f}s,"
                    " repeat: 2h, at_most: 2, resolved: true, notify: team}\n"
                    "  - {name: late, when: conversation.unread, for: 15m, notify: team,"
                    " where: 'conversation.channel == \"email\"'}\n"
                )
        return (
            f"store: {self.folder}/watcher.db\nserver: false\nretention: {{events: 400d, deliveries: 400d}}\n"
            f"sources:\n{sources}receivers:\n{receivers}rules:\n{rules}"
        )

    # -- what happens by the plan --------------------------------------------------------------------

    def _enter(self, source: SourcePlan, number: int, *, mapped: bool) -> None:
        account = self._account(source, number)
        self.epochs[source.name].append(Epoch(self.now(), account, mapped))
        self._write_token(source.name)

    def _began(self, name: str) -> None:
        """Let a source's newest epoch begin now: only now has the daemon taken it up."""
        self.epochs[name][-1] = replace(self.epochs[name][-1], start=self.now() + INSTANT)

    def _write_token(self, name: str) -> None:
        account = self.epochs[name][-1].account
        (self.folder / f"{name}.token").write_text(self.tokens[account.key])

    def _turn(self, kind: str, *, live: bool = False) -> str:
        """Change the configuration; a restart takes it up, or (`live`) the running daemon. Gives the
        source that has a new epoch, empty if none has.
        """
        self.say(f"the configuration changes{' live' if live else ''}: {kind}")
        self.causes[f"configuration{', live' if live else ''}: {kind}"] += 1
        self.turned.append((self.now(), kind))
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
                return source.name
            if source.kind == "chatwoot":
                self._enter(source, number, mapped=not epoch.mapped)
                return source.name
        return ""

    async def _tell(self, source: SourcePlan) -> None:
        """Let the story of one source's accounts go on; calm hours, and bursts."""
        rng = chance(self.plan.seed, f"story {source.name}")
        async with anyio.create_task_group() as tasks:
            while True:
                await anyio.sleep(rng.expovariate(source.changes))
                for _ in range(rng.choice((1, 1, 1, 1, 2, 6))):
                    account = rng.choice(self.accounts[source.name])
                    before = set(self.story.begun)
                    told = self.story.act(account)
                    if told:
                        self.say(f"{account.key}: {told}")
                    for subject in self.story.begun.keys() - before:
                        tasks.start_soon(self._go_on, subject, self.story.begun[subject])
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

    def _tear(self, name: str, rng: Random) -> Callable[[], None]:
        """Let the busiest row that never was lack a part for one answer, one time in ten."""
        if rng.random() < 0.1 and self._baselined(name):
            subject = self.story.tear(self.epochs[name][-1].account, rng)
            if subject is not None:
                torn = subject
                self.say(f"{name}: an answer lacks {sorted(torn.state.torn)} of {torn.id}")
                return lambda: self._end(torn)
        return lambda: None

    def dated(self, source: SourcePlan) -> Any:
        """Return the way to a source's provider, with the `Date` that its answers have."""
        weather = self.weather[source.name]
        if source.date == "none":
            return weather
        off = timedelta(seconds=source.clock_off if source.date == "server" else 0.0)
        return Dated(weather, lambda: self.true_clock() + off)

    async def _upgrade(self, source: SourcePlan) -> None:
        """Install one version after the other in the place of the one that runs."""
        for at, version in source.versions[1:]:
            await anyio.sleep(max(0.0, at - self.now()))
            for account in self.accounts[source.name]:
                self.world.install(account, version)
            self.causes["a version installed"] += 1
            self.say(f"{source.name}: version {version} is installed")

    async def _go_on(self, subject: Conversation, what: Begun) -> None:
        """Take the further steps of a deletion.

        All of them take less than the minute for which a row must have lacked something to be believed.
        """
        rng = chance(self.plan.seed, f"steps {subject.account.key} {subject.id} {self.now()}")
        await anyio.sleep(MOMENT * rng.random())
        if rng.random() < 0.5:
            self.world.delete_step(subject, with_contact=what == "delete contact")
            await anyio.sleep(MOMENT * rng.random())
        self._end(subject)

    def _end(self, subject: Conversation) -> None:
        what = self.story.begun.pop(subject, "tear")
        if what == "tear":
            self.world.mend(subject)
        elif what == "delete contact":
            self.world.delete_contact(subject)
        else:
            self.world.delete(subject)

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
