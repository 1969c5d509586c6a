"""The API on the daemon's two doors: what commands print as JSON is what it answers; TCP has counts alone."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.cli.harness import Harness, json_lines
from watcher.web import bind


def connect(harness: Harness) -> socket.socket:
    """Open a line to the control socket."""
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(20)
    line.connect(str(harness.store.with_name(harness.store.name + ".sock")))
    return line


def ask(harness: Harness, address: str) -> Any:
    """Ask the daemon behind the control socket."""
    line = http.client.HTTPConnection("localhost")
    line.sock = connect(harness)
    line.request("GET", address)
    answer = line.getresponse()
    body = answer.read()
    line.close()
    assert answer.status == 200, body
    return json.loads(body)


def test_what_commands_print_as_json_is_what_the_api_answers(
    harness: Harness, running: Any
) -> None:
    assert harness.run("run", "--once").exit_code == 0
    conversation = next(iter(harness.account.conversations.values()))
    harness.portal.call(harness.world.message, conversation, "hello?")
    assert harness.run("run", "--once").exit_code == 0
    with running("run") as daemon:
        daemon.wait_for("watching")
        page = ask(harness, "/api/v1/events?limit=200")
        assert len(page["items"]) > 1
        assert json_lines(harness.run("events", "--json").stdout) == page["items"][::-1]
        deliveries = ask(harness, "/api/v1/deliveries?state=delivered&limit=200")["items"]
        assert deliveries
        told = json_lines(harness.run("deliveries", "--state", "delivered", "--json").stdout)
        assert told == deliveries[::-1]
        for one in page["items"]:
            (story,) = json_lines(harness.run("why", one["id"], "--json").stdout)
            assert story == ask(harness, f"/api/v1/events/{one['id']}")
        known = ask(harness, "/api/v1/conversations?limit=200&archived=false")["items"]
        assert json_lines(harness.run("conversations", "--json").stdout) == known
        for one in known:
            id_ = one["conversation"]["id"]
            (shown,) = json_lines(
                harness.run("conversations", "show", "support", id_, "--json").stdout
            )
            assert shown == ask(harness, f"/api/v1/conversation?source=support&conversation={id_}")
        harness.run("silence", "add", "--match", "true", "--for", "1h", "--reason", "noise")
        silences = ask(harness, "/api/v1/silences")["items"]
        assert [one["reason"] for one in silences] == ["noise"]
        assert json_lines(harness.run("silence", "list", "--json").stdout) == silences
        assert daemon.stop(signal.SIGTERM) == 0


def test_over_tcp_nobody_sees_more_than_counts(harness: Harness, running: Any) -> None:
    with bind("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    harness.write(server=f"{{listen: '127.0.0.1:{port}'}}")

    def get(path: str, **headers: str) -> tuple[int, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    with running("run") as daemon:
        daemon.wait_for("watching")
        status, body = get("/api/v1/summary")
        assert status == 200
        assert sum(json.loads(body)["sources"].values()) == 1
        assert b"support" not in body
        assert get("/api/v1/events")[0] == 401
        assert get("/api/v1/summary", Host="evil.example")[0] == 400
        assert get("/openapi.json", Host="evil.example")[0] == 400
        assert get("/healthz")[0] == 200
        assert daemon.stop(signal.SIGTERM) == 0


def test_a_daemon_that_nobody_asks_has_no_api() -> None:
    program = (
        "import sys, watcher.daemon.serving;"
        "assert not sys.modules.keys() & {'watcher.api', 'watcher.archive'}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_whoever_follows_the_log_holds_no_daemon_up(
    harness: Harness, running: Any, sent: signal.Signals
) -> None:
    with running("run") as daemon:
        daemon.wait_for("watching")
        ask(harness, "/api/v1/status")
        lines = []
        for _ in range(20):
            line = connect(harness)
            line.sendall(b"GET /api/v1/events/stream HTTP/1.1\r\nHost: x\r\n\r\n")
            assert line.recv(4096).startswith(b"HTTP/1.1 200")
            lines.append(line)
        assert daemon.stop(sent) == 0
        for line in lines:
            said = b""
            while part := line.recv(4096):
                said += part
            assert said.endswith(b"event: end\ndata: {}\n\n\r\n0\r\n\r\n")
            line.close()
        assert "Traceback" not in "".join(daemon.err)
