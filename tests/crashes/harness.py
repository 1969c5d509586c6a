"""The other ends of the program under fire: four simulated inboxes and three receivers on real
sockets, and a load of changes that never asks more than the watcher promises.

Rules: knows nothing of the watcher's insides. A conversation changes again only when what changed
before was reported, so that every change stands for as long as the watcher needs.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

import anyio
from anyio.from_thread import BlockingPortal
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from watcher.clock import wall_clock
from watcher.simulator import (
    Account,
    Conversation,
    TruthEntry,
    World,
    chatwoot,
    leadconnector,
    leadping,
)
from watcher.simulator.state import State
from watcher.web import bind, serve

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PROVIDERS = ("leadping", "highlevel", "leadway", "chatwoot")
SETTING = {
    "leadping": "organization: acme",
    "highlevel": "location_id: '{0}'",
    "leadway": "location_id: '{0}'",
    "chatwoot": "account_id: {0}",
}
RECEIVERS = ("crm", "audit", "late", "picky")
"""`crm` fails often, `audit` never; `late` is told what has lasted; `picky` refuses some messages for
ever, so that they die.
"""

CONFIGURATION = """\
store: {folder}/watcher.db
server: false
sources:
{sources}receivers:
{receivers}rules:
  - {{name: all, when: '*', notify: [crm, audit]}}
  - {{name: some, when: conversation.message, notify: picky}}
"""
LASTING = "  - {name: lasting, when: conversation.unread, for: 2s, notify: late}\n"
RETRY = ", ".join(["300ms"] * 60)
SOON = "100ms"


def is_refused(id_: str) -> bool:
    """Return whether `picky` refuses a message: one in four, whenever it comes."""
    return id_[-1] in "0123"


@dataclass
class Arrival:
    """A webhook that came: when, with which id and body."""

    receiver: str
    id: str
    digest: bytes
    event: dict[str, Any]
    answered: bool


@dataclass
class Ledger:
    """What has crossed the wire so far; the counts only grow."""

    requests: int = 0
    answered: int = 0
    asking: int = 0
    taken: int = 0
    taking: int = 0
    refused: int = 0
    cut: int = 0
    forged: int = 0
    arrivals: list[Arrival] = field(default_factory=list)
    reported: Counter[tuple[str, str]] = field(default_factory=Counter)
    ids: set[str] = field(default_factory=set)
    baselines: set[str] = field(default_factory=set)


class Watched(Protocol):
    """What is compared with the log: the inboxes, and by which source each is watched."""

    @property
    def world(self) -> World: ...

    @property
    def sources(self) -> Mapping[str, Account]: ...

    def source_of(self, entry: TruthEntry) -> str: ...


class Harness:
    """World, receivers and load; `portal` is the thread in which all of it lives."""

    def __init__(
        self, folder: Path, portal: BlockingPortal, *, seed: int, conversations: int, lasting: bool
    ) -> None:
        self.folder = folder
        self.ledger = Ledger()
        self.world = World(wall_clock, seed=seed)
        self.chance = Random(seed)
        self.failing = 0.25
        self.changing = False
        self.changes = 0
        self.sources: dict[str, Account] = {}
        self._expected: Counter[tuple[str, str]] = Counter()
        self._open: set[tuple[str, str]] = set()
        self._told = 0
        self._portal = portal
        self._webhook = Webhook(SECRET)
        apps: dict[str, Any] = {
            "leadping": leadping.app,
            "highlevel": leadconnector.app,
            "chatwoot": chatwoot.app,
        }
        ports = {kind: self._serve(self._counted(make(self.world))) for kind, make in apps.items()}
        hook = Route("/{receiver}", self._take, methods=["POST"])
        taker = self._serve(Starlette(routes=[hook]))
        blocks = ""
        for number, provider in enumerate(PROVIDERS, 1):
            kind: Any = "highlevel" if provider == "leadway" else provider
            account = self.world.open_account(kind, str(number), conversations=conversations)
            self.sources[provider] = account
            blocks += (
                f"  {provider}:\n    provider: {provider}\n    token: {account.token}\n"
                f"    base_url: http://127.0.0.1:{ports[kind]}\n    poll_every: 1s\n"
                f"    sweep_every: 2s\n    {SETTING[provider].format(account.id)}\n"
            )
        receivers = "".join(
            f"  {name}: {{type: webhook, secret: {SECRET}, timeout: 5s,"
            f" retry: [{SOON if name == 'picky' else RETRY}],"
            f" url: 'http://127.0.0.1:{taker}/{name}'}}\n"
            for name in RECEIVERS
        )
        self.config = folder / "watcher.yaml"
        self.config.write_text(
            CONFIGURATION.format(folder=folder, sources=blocks, receivers=receivers)
            + (LASTING if lasting else "")
        )
        portal.start_task_soon(self._load)

    def _serve(self, application: Any) -> int:
        listener = bind("127.0.0.1", 0)
        self._portal.start_task_soon(serve, application, listener)
        return int(listener.getsockname()[1])

    # -- the two sides of the wire --------------------------------------------------------------

    def _counted(self, app: ASGIApp) -> ASGIApp:
        """Count requests and answers, and take a little while over each."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            self.ledger.requests += 1
            self.ledger.asking += 1
            try:
                await asyncio.sleep(self.chance.random() * 0.02)
                await app(scope, receive, send)
            except ClientDisconnect:
                pass  # it was killed while it asked
            finally:
                self.ledger.asking -= 1
                self.ledger.answered += 1

        return counted

    async def _take(self, request: Request) -> Response:
        """Take a webhook. `crm` refuses some, and cuts some off after it has taken them."""
        receiver = request.path_params["receiver"]
        self.ledger.taking += 1
        try:
            body = await request.body()
            await asyncio.sleep(self.chance.random() * 0.03)
            if not self._genuine(dict(request.headers), body):
                self.ledger.forged += 1
                return Response(status_code=401)
            if receiver == "picky" and is_refused(request.headers["webhook-id"]):
                return Response(status_code=422)
            fails = receiver == "crm" and self.chance.random() < self.failing
            taken = not fails or self.chance.random() < 0.5
            if taken:
                self._note(receiver, request.headers["webhook-id"], body, answered=not fails)
            if fails:
                self.ledger.cut += taken
                self.ledger.refused += not taken
                return Response(status_code=503)
            return Response(status_code=204)
        except ClientDisconnect:  # it was killed while it sent
            return Response(status_code=400)
        finally:
            self.ledger.taking -= 1
            self.ledger.taken += 1

    def _genuine(self, headers: dict[str, str], body: bytes) -> bool:
        """Return whether a webhook is signed, and a CloudEvent under the id in its header."""
        try:
            self._webhook.verify(body.decode(), headers)
        except WebhookVerificationError:
            return False
        event = from_http_event(HTTPMessage(headers, body), JSONFormat())
        return (
            bool(event.get_id() == headers["webhook-id"]) or "delivery" in json.loads(body)["data"]
        )

    def _note(self, receiver: str, id_: str, body: bytes, *, answered: bool) -> None:
        event = json.loads(body)
        digest = hashlib.sha256(body).digest()
        self.ledger.arrivals.append(Arrival(receiver, id_, digest, event, answered))
        if receiver == "audit" and id_ not in self.ledger.ids:
            self.ledger.ids.add(id_)
            if event["type"] == "source.baselined":
                self.ledger.baselines.add(event["data"]["source"])
            if event["type"].startswith("conversation."):
                self.ledger.reported[event["data"]["source"], event["subject"]] += 1

    # -- the load -------------------------------------------------------------------------------

    async def _load(self) -> None:
        """Change some conversation that nothing is owed for, 25 times a second."""
        while True:
            await anyio.sleep(0.04)
            if self.changing:
                self._change()

    def owed(self) -> set[tuple[str, str]]:
        """Return the conversations, each with its source, whose changes are not all reported."""
        entries = self.world.truth.entries
        for entry in entries[self._told :]:
            about = self.source_of(entry), entry.conversation
            self._expected[about] += 1
            self._open.add(about)
        self._told = len(entries)
        reported = self.ledger.reported
        self._open = {one for one in self._open if reported[one] < self._expected[one]}
        return self._open

    def source_of(self, entry: TruthEntry) -> str:
        """Return the configured name of the source that should report an entry."""
        return next(name for name, one in self.sources.items() if one.key == entry.account)

    def _change(self) -> None:
        source = self.chance.choice(PROVIDERS)
        account = self.sources[source]
        busy = {id_ for name, id_ in self.owed() if name == source}
        contacts = {account.conversations[id_].state.contact.id for id_ in busy}
        quiet = [c for c in account.living() if c.state.contact.id not in contacts]
        if not quiet:
            return
        before = len(self.world.truth.entries)
        if self.chance.random() < 0.03 and len(account.living()) < 90:
            self.world.create(account, "is anybody there?")
        else:
            self._mutate(account, self.chance.choice(quiet))
        self.changes += len(self.world.truth.entries) > before

    def _mutate(self, account: Account, one: Conversation) -> None:
        world, state, chance = self.world, one.state, self.chance
        said = f"number {chance.randrange(10**9)}"
        match chance.randrange(12):
            case 0 | 1 | 2:
                world.message(one, said)
            case 3 | 4:
                world.message(one, said, "outbound")
            case 5 | 6 if state.unread:
                world.read(one)
            case 7 | 8 if state.archived and _asked_before_the_last_message(state):
                # Since when somebody waits again, no row tells as the archive ends (`simulation.waits`).
                world.message(one, said, "outbound")
            case 7 | 8:
                world.unarchive(one) if state.archived else world.archive(one)
            case 9 if account.agents and account.kind != "leadping":
                others = [agent for agent in account.agents if agent != state.assignee]
                world.assign(one, chance.choice([*others, None] if state.assignee else others))
            case 10:
                world.rename_contact(one, f"Ada {said}")
            case 11 if chance.random() < 0.3 and len(account.living()) > 40:
                world.delete(one)
            case _:
                world.message(one, said, "internal")


def _asked_before_the_last_message(state: State) -> bool:
    return state.asked_at is not None and (
        state.message is None or state.message.at != state.asked_at
    )


def wait_until(holds: Any, seconds: float, step: float = 0.001) -> bool:
    """Look again and again; False when the time is over."""
    ends = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(step)
    return True
