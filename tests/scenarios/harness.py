"""A harness for scenarios: the simulated world, the whole daemon, and a receiver, in virtual time.

The daemon is the real one: configuration text, transport (over ASGI instead of sockets), pollers,
store, dispatcher, signed webhooks. Only time is not real.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tests.support.virtual_time import VirtualClock
from watcher.config.load import load
from watcher.daemon import Daemon
from watcher.simulator import Account, Faults, World, chatwoot, leadconnector, leadping
from watcher.simulator.echo import echo
from watcher.store import Store
from watcher.store.memory import MemoryStore
from watcher.transport import Transport

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

PROVIDERS = ("leadping", "highlevel", "chatwoot")
"""Leadway speaks HighLevel's API: it is told apart only where that may matter."""

SETTINGS = {
    "chatwoot": "account_id: {account}",
    "highlevel": 'location_id: "{account}"',
    "leadway": 'location_id: "{account}"',
    "leadping": 'organization: "{account}"',
}


class Inbox:
    """The other side of a webhook: keeps what it accepts, answers what it is told to."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.times: list[datetime] = []
        self.bodies: list[dict[str, Any]] = []
        self.raw: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.attempts = 0
        self.status = 200
        self.answer_headers: dict[str, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        self.attempts += 1
        if self.status == 200:
            self.bodies.append(json.loads(body))
            self.raw.append(body)
            self.times.append(self._clock())
            self.headers.append(dict(request.headers))
        quoted = "" if self.status < 300 else "\n".join(echo(request.headers.raw))
        response = Response(quoted, self.status, headers=self.answer_headers)
        await response(scope, receive, send)

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Return the accepted events of a type."""
        return [body for body in self.bodies if body["type"] == kind]

    def minutes(self, since: datetime) -> list[int]:
        """Return how many whole minutes after `since` each message was accepted."""
        return [int((at - since).total_seconds() // 60) for at in self.times]

    @property
    def conversations(self) -> list[dict[str, Any]]:
        """Return the accepted events about conversations."""
        return [body for body in self.bodies if body["type"].startswith("conversation.")]

    @property
    def own(self) -> list[str]:
        """Return the types of the accepted events about the watcher itself."""
        kinds = [body["type"] for body in self.bodies]
        return [kind for kind in kinds if not kind.startswith("conversation.")]


class Harness:
    """World, faults by provider, receiver and configuration; `running()` runs the daemon."""

    def __init__(self, folder: Path, *, seed: int = 1, store: Store | None = None) -> None:
        self.clock = VirtualClock()
        self.world = World(self.clock, seed)
        self.inbox = Inbox(self.clock)
        self.others: dict[str, Inbox] = {}
        self.store: Store = store or MemoryStore()
        self.rules = "- {name: all, when: '*', notify: crm}"
        self.receivers = ""
        self.general = ""
        """Further lines at the top of the configuration."""
        self.options: dict[str, Any] = {}
        self.faults: dict[str, Faults] = {}
        self.poll_every, self.sweep_every = "30s", "5m"
        self.folder = folder
        self._sources: list[str] = []
        self._daemon: Daemon | None = None

    @property
    def daemon(self) -> Daemon:
        """The running daemon."""
        assert self._daemon is not None
        return self._daemon

    def watch(
        self, provider: str, name: str, account: str, conversations: int = 10, extra: str = ""
    ) -> Account:
        """Open an account at the provider and configure a source for it."""
        kind: Any = "highlevel" if provider == "leadway" else provider
        opened = self.world.open_account(kind, account, conversations=conversations)
        self.watch_again(provider, name, opened, extra)
        return opened

    def watch_again(self, provider: str, name: str, account: Account, extra: str = "") -> None:
        """Configure a source for an account that is open already."""
        setting = SETTINGS[provider].format(account=account.id)
        self._sources.append(
            f"  {name}:\n    provider: {provider}\n    base_url: http://{account.kind}.example\n"
            f"    insecure: true\n    token: {account.token}\n    {setting}\n"
            f"    poll_every: {self.poll_every}\n    sweep_every: {self.sweep_every}\n{extra}"
        )

    def hear(self, name: str, extra: str = "") -> Inbox:
        """Configure a further webhook, and give who answers it."""
        self.others[name] = Inbox(self.clock)
        self.receivers += (
            f"  {name}:\n    type: webhook\n    url: http://{name}.example/hook\n    insecure: true\n"
            f"{extra}"
        )
        return self.others[name]

    def restart_with(self) -> None:
        """Forget the configured sources; the next run has others."""
        self._sources.clear()

    def serve(self) -> dict[str, Any]:
        """Return the origins and the applications that answer for them."""
        apps = {"chatwoot": chatwoot.app, "highlevel": leadconnector.app, "leadping": leadping.app}
        for kind, build in apps.items():
            if kind not in self.faults:
                options = self.options.get(kind)
                served = build(self.world, options) if options else build(self.world)
                self.faults[kind] = Faults(served, self.clock)
        mounted: dict[str, Any] = {f"http://{kind}.example": self.faults[kind] for kind in apps}
        heard = {f"http://{name}.example": other for name, other in self.others.items()}
        return {**mounted, **heard, "http://crm.example": self.inbox}

    def configure(self) -> str:
        """Return the configuration's text."""
        sources = "".join(self._sources)
        return (
            f"store: {self.folder}/watcher.db\nserver: false\n{self.general}sources:\n{sources}"
            f"receivers:\n  crm:\n    type: webhook\n    url: http://crm.example/hook\n"
            f"    insecure: true\n    secret: {SECRET}\n{self.receivers}rules:\n{self.rules}\n"
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Daemon]:
        """Run the daemon in the background for the length of the block, then kill it."""
        file = self.folder / "watcher.yaml"
        file.write_text(self.configure())
        config = load([file], environ={})
        async with Transport(self.clock, mount=self.serve()) as transport:
            daemon = Daemon(config, store=self.store, transport=transport, clock=self.clock)
            self._daemon = daemon
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(daemon.run)
                yield daemon
                tasks.cancel_scope.cancel()

    async def baseline(self) -> None:
        """Wait until every source has its baseline."""
        with anyio.fail_after(3600):
            while any(  # noqa: ASYNC110 - virtual seconds, and a condition of many parts
                one.session.state.baselined is None for one in self.daemon.pollers.values()
            ):
                await anyio.sleep(1)
        await anyio.sleep(1)

    def expect(self, since: datetime | None = None) -> list[tuple[Any, ...]]:
        """Return the truth in a form to compare: what an ideal watcher reports."""
        return sorted(_from_truth(entry) for entry in self.world.truth.find(since=since))

    def got(self) -> list[tuple[Any, ...]]:
        """Return what the receiver accepted, in the same form."""
        return sorted(map(_from_event, self.inbox.conversations))


def _comparable(changes: dict[str, Any]) -> str:
    """Write changes down; of `attributes` only that they changed, for a provider may track more
    of them than the simulator knows; of a wait only that it began or ended, for where the row shows
    the customer's message no more, another time stands for it.
    """
    told = {name: sides if name != "attributes" else ... for name, sides in changes.items()}
    if wait := told.get("waiting_since"):
        told["waiting_since"] = {side: at is not None for side, at in wait.items()}
    return json.dumps(told, sort_keys=True, default=str)


def _from_truth(entry: Any) -> tuple[Any, ...]:
    changes = {
        name: {"before": entry.before[name], "after": entry.after[name]} for name in entry.after
    }
    return (
        entry.conversation,
        entry.type,
        _comparable(changes),
        json.dumps(dict(entry.extra), sort_keys=True),
    )


def _from_event(event: dict[str, Any]) -> tuple[Any, ...]:
    data = event["data"]
    extra = {key: data[key] for key in ("reason", "returned", "outcome") if key in data}
    return (
        event["subject"],
        event["type"],
        _comparable(data["changes"]),
        json.dumps(extra, sort_keys=True),
    )
