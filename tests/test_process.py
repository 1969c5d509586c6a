"""The real program on real sockets, stopped and killed in the middle of its work: the receiver ends
with every change exactly once, under one id, signed and well formed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from cloudevents.core.bindings.http import HTTPMessage, from_http_event
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watcher.clock import wall_clock
from watcher.simulator import World, chatwoot, leadconnector, leadping, lively
from watcher.web import bind, serve

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PROVIDERS = ("leadping", "highlevel", "leadway", "chatwoot")
SETTING = {
    "leadping": "organization: acme",
    "highlevel": "location_id: {0}",
    "leadway": "location_id: {0}",
    "chatwoot": "account_id: {0}",
}


class Scene:
    """World, receiver and the program's process."""

    def __init__(self, folder: Path, portal: BlockingPortal) -> None:
        self.world = World(wall_clock, seed=11)
        self.portal = portal
        self.got: list[tuple[dict[str, str], bytes]] = []
        apps = {"leadping": leadping.app, "highlevel": leadconnector.app, "chatwoot": chatwoot.app}
        ports = {kind: self._serve(build(self.world)) for kind, build in apps.items()}
        taker = Starlette(routes=[Route("/hook", self._take, methods=["POST"])])
        sources = ""
        for number, provider in enumerate(PROVIDERS):
            kind: Any = "highlevel" if provider == "leadway" else provider
            account = self.world.open_account(kind, f"{number + 1}", conversations=12)
            sources += (
                f"  {provider}:\n    provider: {provider}\n    token: {account.token}\n"
                f"    base_url: http://127.0.0.1:{ports[kind]}\n    poll_every: 1s\n"
                f"    sweep_every: 2s\n    {SETTING[provider].format(repr(account.id))}\n"
            ).replace("account_id: '4'", "account_id: 4")
        self.log = folder / "log.txt"
        self.starts = 0
        self.config = folder / "watcher.yaml"
        self.config.write_text(
            f"store: {folder}/watcher.db\nserver: false\nsources:\n{sources}receivers:\n"
            f"  crm: {{type: webhook, secret: {SECRET}, "
            f"url: 'http://127.0.0.1:{self._serve(taker)}/hook'}}\n"
            "rules:\n  - {name: all, when: '*', notify: crm}\n"
        )

    def _serve(self, application: Any) -> int:
        listener = bind("127.0.0.1", 0)
        self.portal.start_task_soon(serve, application, listener)
        return int(listener.getsockname()[1])

    async def _take(self, request: Request) -> Response:
        self.got.append((dict(request.headers), await request.body()))
        return Response()

    def start(self) -> subprocess.Popen[bytes]:
        """Start the program, and wait until it listens to signals."""
        self.starts += 1
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "watcher", "run", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                env={**os.environ, "NO_COLOR": "1"},
            )
        self.wait(lambda: self.log.read_text().count('"watching"') == self.starts)
        return process

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in list(self.got)]

    def wait(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        ends = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < ends, "not within the time allowed"
            self.portal.call(_breathe)

    def comparable(self) -> list[Any]:
        """What the receiver got, repeats of the same id dropped as a receiver does."""
        once = {event["id"]: event for event in self.events if "conversation" in event["data"]}
        return sorted((e["subject"], e["type"], len(e["data"]["changes"])) for e in once.values())

    def truth(self) -> list[Any]:
        return sorted((e.conversation, e.type, len(e.after)) for e in self.world.truth.entries)


async def _breathe() -> None:
    await anyio.sleep(0.05)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with start_blocking_portal() as portal:
        made = Scene(tmp_path, portal)
        yield made
        portal.start_task_soon(portal.stop, True)


def test_killed_and_stopped_in_mid_work(scene: Scene) -> None:
    chance = Random(4)
    process = scene.start()
    scene.wait(lambda: sum(e["type"] == "source.baselined" for e in scene.events) == 4)
    script = scene.portal.call(lively, scene.world, Random(2))
    for turn in range(14):
        scene.portal.call(script.step)
        ends = time.monotonic() + chance.random() * 1.5
        scene.wait(lambda ends=ends: time.monotonic() >= ends)  # type: ignore[misc]
        if turn % 4 == 3:
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0
        else:
            process.kill()
            process.wait()
        process = scene.start()
        scene.wait(lambda: scene.comparable() == scene.truth())
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert "Traceback" not in scene.log.read_text()
    assert sum(e["type"] == "source.baselined" for e in scene.events) == 4
    verifier = Webhook(SECRET)
    for headers, body in scene.got:
        verifier.verify(body, headers)
        event = from_http_event(HTTPMessage(headers, body), JSONFormat())
        assert event.get_id() == headers["webhook-id"]
