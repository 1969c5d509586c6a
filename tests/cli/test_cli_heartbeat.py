"""The heartbeat of a real process: it goes out while all is well, and stops when the process does."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.cli.harness import Harness, wait_until

SECRET = "/ping/nobody-may-see-this-address"


class Ear:
    """Hears heartbeats: method, path, body and when."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, bytes]] = []
        self.times: list[float] = []
        methods = ["GET", "POST"]
        self.app = Starlette(routes=[Route("/{path:path}", self._take, methods=methods)])

    async def _take(self, request: Request) -> Response:
        self.heard.append((request.method, request.url.path, await request.body()))
        self.times.append(time.monotonic())
        return Response("OK")


def test_it_stops_with_the_process_and_goes_on_with_it(harness: Harness, running: Any) -> None:
    ear = Ear()
    harness.environ["BEAT"] = f"{harness.serve(ear.app)}{SECRET}"
    harness.write(more='heartbeat: {url: "${BEAT}", every: 1s}\n')
    with running("run") as daemon:
        wait_until(lambda: len(ear.heard) >= 2)
        os.kill(daemon.process.pid, signal.SIGSTOP)
        stopped = time.monotonic()
        time.sleep(4)  # that nothing comes is what is waited for
        assert [one for one in ear.times if one > stopped + 2] == []
        before = len(ear.heard)
        os.kill(daemon.process.pid, signal.SIGCONT)
        wait_until(lambda: len(ear.heard) > before)
        assert daemon.stop(signal.SIGTERM) == 0
    assert {(method, path) for method, path, _body in ear.heard} == {("GET", SECRET)}
    assert "nobody-may-see" not in "".join(daemon.out + daemon.err)


def test_who_is_not_ready_says_nothing_or_that_it_fails(harness: Harness, running: Any) -> None:
    ear, silent = Ear(), Ear()
    harness.environ["CHAT_TOKEN"] = "another-token-that-is-refused"
    harness.environ["BEAT"] = f"{harness.serve(ear.app)}{SECRET}?a=b"
    harness.write(more='heartbeat: {url: "${BEAT}", every: 1s, fail: true}\n')
    with running("run") as daemon:
        wait_until(lambda: len(ear.heard) >= 2)
        assert daemon.stop(signal.SIGTERM) == 0
    assert {*ear.heard} == {("POST", f"{SECRET}/fail", b"none of 1 sources is read")}
    harness.environ["BEAT"] = f"{harness.serve(silent.app)}{SECRET}"
    harness.write(more='heartbeat: {url: "${BEAT}", every: 1s}\n')
    with running("run") as daemon:
        daemon.wait_for("watching")
        time.sleep(2.5)  # two beats that must not come
        assert daemon.stop(signal.SIGTERM) == 0
    assert silent.heard == []


def test_its_address_is_in_no_output(harness: Harness) -> None:
    harness.config.write_text(
        harness.config.read_text()
        + f'heartbeat: {{url: "https://hc-ping.com{SECRET}", evry: 1m}}\n'
    )
    told = harness.run("check")
    assert told.exit_code == 2
    assert "unknown key `evry` in `heartbeat`" in told.output or "`evry`" in told.output
    assert "nobody-may-see" not in told.output
    text = harness.config.read_text()
    harness.config.write_text(text.replace(", evry: 1m", ""))
    assert "nobody-may-see" not in harness.run("check").output
    clear = text.replace("https://hc-ping.com", "http://hc.example")
    harness.config.write_text(clear.replace(", evry: 1m", ""))
    told = harness.run("check")
    assert "http:// address of another machine" in told.output
    assert "nobody-may-see" not in told.output
