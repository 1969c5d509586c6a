"""The real program, killed again and again, between an inbox and receivers that are all hostile.

They answer without end, quote every credential in every form, take no memory into account; customers' texts
blow up a rule's template. Nothing is lost, nothing invented, and no secret stands anywhere afterwards.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from random import Random
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from watcher.clock import wall_clock
from watcher.simulator import Account, TruthEntry, World, chatwoot
from watcher.simulator.echo import echo, forms_of
from watcher.web import bind, serve

from .harness import wait_until
from .verdict import examine, judge_log, pending

TOKEN = 'tok"en\\sup/port+1%2'
PASSWORD, KEY, HEADER = "hookpassw0rd77", "apikey+of/apprise", 'hdr"quote\\secret99'
SIGNING = "whsec_" + "c2lnbmluZyBrZXkgb2YgdGhlc2UgdGVzdHM="
SECRETS = (TOKEN, PASSWORD, KEY, HEADER, SIGNING[6:])

CONVERSATIONS = 40
KILLS = 5
LONG = "[[a](b " * 500
"""Of a customer: a template that goes through it twice over never ends."""

CONFIGURATION = """
store: {folder}/watcher.db
server: false
sources:
  support:
    provider: chatwoot
    account_id: 1
    base_url: http://127.0.0.1:{inbox}
    token: '${{TOKEN}}'
    poll_every: 1s
    sweep_every: 2s
    timeout: 3s
    largest_answer: 1MiB
receivers:
  good: {{type: webhook, url: 'http://127.0.0.1:{port}/good', retry: [{retry}]}}
  parrot:
    type: webhook
    url: 'http://hookuser:${{PASSWORD}}@127.0.0.1:{port}/parrot'
    secret: '${{SIGNING}}'
    headers: {{X-Key: '${{HEADER}}'}}
    retry: [{retry}]
  flood: {{type: webhook, url: 'http://127.0.0.1:{port}/flood', timeout: 2s, retry: [{retry}]}}
  chat:
    type: apprise
    url: 'json://127.0.0.1:{port}/chat?+X-Api-Key=${{KEY}}'
    limit: 100/1s
    retry: [{retry}]
rules:
  - {{name: all, when: '*', notify: [good, parrot, flood]}}
  - name: hostile
    when: conversation.message
    notify: chat
    message:
      body: >-
        {{% for a in conversation.last_message.text %}}{{% for b in conversation.last_message.text %}}
        {{{{ conversation.last_message.text | upper }}}}{{% endfor %}}{{% endfor %}}
"""


class Hostile:
    """World, doors and the program's lives."""

    def __init__(self, folder: Path, portal: BlockingPortal) -> None:
        self.folder = folder
        self.world = World(wall_clock, seed=1)
        self.chance = Random(1)
        self.sources: Mapping[str, Account] = {
            "support": self.world.open_account(
                "chatwoot", "1", token=TOKEN, conversations=CONVERSATIONS
            )
        }
        self.hostile = True
        self.taken: dict[str, Counter[str]] = {}
        self.bodies = b""
        self.log = folder / "log.txt"
        self.starved = self.asked = 0
        self._portal = portal
        self._quiet = list(self.sources["support"].living())
        receivers = Route("/{receiver}", self._take, methods=["POST"])
        self._config = folder / "watcher.yaml"
        self._config.write_text(
            CONFIGURATION.format(
                folder=folder,
                inbox=self._serve(self._behind_faults(chatwoot.app(self.world))),
                port=self._serve(Starlette(routes=[receivers])),
                retry=", ".join(["300ms"] * 60),
            )
        )

    def source_of(self, _entry: TruthEntry) -> str:
        return "support"

    def _serve(self, application: ASGIApp) -> int:
        listener = bind("127.0.0.1", 0)
        self._portal.start_task_soon(serve, application, listener)
        return int(listener.getsockname()[1])

    def _behind_faults(self, app: ASGIApp) -> ASGIApp:
        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            self.asked += scope["type"] == "http"
            answer: ASGIApp = app
            if self.hostile and scope["type"] == "http" and self.chance.random() < 0.3:
                answer = self.chance.choice((_endless(200), _quoting(scope["headers"], b"")))
            with contextlib.suppress(ClientDisconnect, OSError):
                await answer(scope, receive, send)

        return faulty

    async def _take(self, request: Request) -> Response:
        receiver = request.path_params["receiver"]
        try:
            body = await request.body()
        except ClientDisconnect:  # it was killed while it sent
            return Response(status_code=400)
        bad = self.hostile and self.chance.random() < 0.4
        if receiver in ("parrot", "chat") and bad:
            return _quoting(request.scope["headers"], body)
        self.bodies += body
        name = json.loads(body).get("id") or json.loads(body)["title"]
        self.taken.setdefault(receiver, Counter())[name] += 1
        return _endless(200) if bad and receiver in ("flood", "chat") else Response(status_code=204)

    # -- what happens ---------------------------------------------------------------------------

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "watcher", "--log-level", "debug", "run"],
                stderr=log,
                env={
                    **os.environ,
                    "TOKEN": TOKEN, "PASSWORD": PASSWORD, "KEY": KEY, "HEADER": HEADER,
                    "SIGNING": SIGNING, "INBOX_WATCHER_CONFIG": str(self._config),
                },
            )  # fmt: skip

    def live(self, seconds: float) -> None:
        """Let it run for a while, write to it, take its workers' memory, and kill it."""
        before, process = self.asked, self.start()
        try:
            assert wait_until(lambda: self.asked > before, 120, 0.01)
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                assert process.poll() is None, "it ended by itself"
                if self._quiet and self.hostile:
                    self._portal.call(self.world.message, self._quiet.pop(), LONG)
                self._starve(process.pid)
                wait_until(lambda: False, 0.2, 0.1)
        finally:
            process.kill()
            process.wait()

    def _starve(self, parent: int) -> None:
        for worker in _children(parent):
            if not self.starved or self.chance.random() < 0.3:
                try:
                    resource.prlimit(worker, resource.RLIMIT_AS, (2**20, 512 * 2**20))
                except (ProcessLookupError, PermissionError, ValueError):
                    continue
                self.starved += 1

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"{(self.folder / 'watcher.db').as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for (body,) in self.rows("SELECT body FROM events ORDER BY seq")]


def _children(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def _endless(status: int) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 65536
            await anyio.sleep(0.001)

    return StreamingResponse(chunks(), status, media_type="application/json")


def _quoting(headers: list[tuple[bytes, bytes]], body: bytes) -> Response:
    quoted = list(echo(headers))
    said = {"message": " ".join(quoted), "all": quoted, "body": body.decode()}
    return JSONResponse(said, 500, {"X-Echo": quoted[-1].encode("ascii", "ignore").decode()})


def _shown(text: bytes) -> list[str]:
    return [one for one in SECRETS if any(form.encode() in text for form in forms_of(one))]


def test_killed_between_hostile_sides_nothing_is_lost_invented_or_told(tmp_path: Path) -> None:
    with start_blocking_portal() as portal:
        there = Hostile(tmp_path, portal)
        there.hostile = False
        process = there.start()
        assert wait_until(lambda: "good" in there.taken, 60, 0.01)  # the baseline is told
        process.kill()
        process.wait()
        there.hostile = True
        for _ in range(KILLS):
            there.live(2.0 + there.chance.random() * 2)
            assert examine(tmp_path) == ""
        there.hostile = False
        process = there.start()
        try:
            told = {"conversation.message"}

            def all_told() -> bool:
                return sum(one["type"] in told for one in there.events()) >= CONVERSATIONS - len(
                    there._quiet
                )

            assert wait_until(all_told, 90, 0.2)
            assert wait_until(lambda: not pending(tmp_path), 90, 0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            process.kill()
            process.wait()
        events = there.events()
        assert (
            judge_log(there, [one for one in events if not one["type"].startswith("receiver.")])
            == []
        )
        assert (
            there.rows("SELECT id, note FROM deliveries WHERE state IN ('dead', 'cancelled')") == []
        )
        ids = {one["id"] for one in events if one["type"].startswith("conversation.")}
        for receiver in ("good", "parrot", "flood"):
            assert ids <= there.taken[receiver].keys()
            assert there.taken[receiver].keys() <= {one["id"] for one in events}
        assert there.taken["chat"]
        assert there.starved > 0
        said = there.log.read_bytes()
        assert b"Traceback" not in said
        files = b"".join(part.read_bytes() for part in tmp_path.glob("watcher.db*"))
        assert {"store": _shown(files), "log": _shown(said), "sent": _shown(there.bodies)} == {
            "store": [], "log": [], "sent": [],
        }  # fmt: skip
        portal.start_task_soon(portal.stop, True)
