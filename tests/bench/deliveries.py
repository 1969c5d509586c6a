"""What it costs to deliver: `python -m tests.bench.deliveries --help`.

`inbox-watcher run` opens a store that owes many webhooks to a receiver on loopback, in a process of its own;
in the same minute, bare clients post the same bodies to it, eight at a time, as fast as they go: httpx, and
asyncio's streams. Rounds are interleaved, figures are medians. Where the machine has other work, the
processor's time counts and not the clock's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.backlog import BODY
from tests.support.backlog import make_backlog
from watcher.store.sqlite import SqliteStore

AT_ONCE = 8
"""Posts under way: a receiver's usual `concurrency`."""

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"


class _Sink(asyncio.Protocol):
    """Takes posts, counts them by path, and notes when the first and the last came."""

    counts: dict[str, dict[str, float]] = {}  # noqa: RUF012 - of the one process that serves

    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while (end := self._read.find(b"\r\n\r\n")) >= 0:
            head = self._read[:end].lower()
            _, named, length = head.partition(b"content-length:")
            whole = end + 4 + (int(length.split(b"\r\n")[0]) if named else 0)
            if len(self._read) < whole:
                return
            self._read = self._read[whole:]
            self._answer(head.split(b" ", 2)[1].decode())

    def _answer(self, path: str) -> None:
        if path == "/_count":
            told = json.dumps(self.counts).encode()
            self._transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(told) + told
            )
            return
        now = time.monotonic()
        count = self.counts.setdefault(path, {"number": 0, "first": now})
        count["number"] += 1
        count["last"] = now
        self._transport.write(ANSWER)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(_Sink, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


@contextmanager
def sink() -> Iterator[int]:
    """Run a receiver of webhooks in a process of its own; yield its port."""
    command = [sys.executable, "-m", "tests.bench.deliveries", "--sink"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.kill()


def arrived(port: int, path: str) -> dict[str, float]:
    """Return how many posts came to a path, and when the first and the last."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/_count", timeout=30) as answer:
        found: dict[str, float] = json.load(answer).get(path, {"number": 0, "first": 0, "last": 0})
        return found


def owed(
    folder: Path, port: int, number: int, conversations: int, profile: str
) -> dict[str, float]:
    """Have the daemon send what a store owes; return its seconds of CPU and the clock's, for each."""
    backlog = make_backlog(folder / "watcher.db")
    backlog.add("crm", number, conversations, body=json.dumps(BODY))
    backlog.close()
    (folder / "watcher.db").chmod(0o600)
    asyncio.run(_bring_up_to_date(folder / "watcher.db"))
    path = f"/{folder.name}"
    (folder / "config.yaml").write_text(
        f"store: {folder}/watcher.db\nserver: false\n"
        "sources:\n  sales: {provider: chatwoot, base_url: 'http://127.0.0.1:9', account_id: 1, token: t}\n"
        f"receivers:\n  crm: {{type: webhook, url: 'http://127.0.0.1:{port}{path}'}}\n"
        "rules:\n- {name: Rule, when: source.held, notify: [crm]}\n"
    )
    command = [sys.executable, "-m", "watcher", "run", "--config", str(folder / "config.yaml")]
    if profile:
        command[1:1] = ["-m", "cProfile", "-o", profile]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        found, before = arrived(port, path), 0.0
        began = time.monotonic()
        while found["number"] < number and daemon.poll() is None and time.monotonic() - began < 120:
            if not found["number"]:
                before = cpu_of(daemon.pid)
            time.sleep(0.02 if not found["number"] else 0.1)
            found = arrived(port, path)
        took = cpu_of(daemon.pid) - before
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
    finally:
        daemon.kill()
    if found["number"] < number:
        raise SystemExit((folder / "log").read_text()[-3000:])
    return {"cpu": took / number, "clock": (found["last"] - found["first"]) / number}


async def _bring_up_to_date(path: Path) -> None:
    await (await SqliteStore.open(path)).close()


def cpu_of(process: int) -> float:
    """Return the CPU time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(client: str, port: int, number: int) -> dict[str, float]:
    """Post as often with a bare client in a process of its own; return what it took, for each."""
    command = [
        sys.executable,
        "-m",
        "tests.bench.deliveries",
        "--bare",
        client,
        str(port),
        str(number),
    ]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(told)
    return found


async def _post_bare(client: str, port: int, number: int) -> None:
    body = json.dumps(BODY).encode()
    left = iter(range(number))
    cpu, clock = time.process_time(), time.monotonic()
    await asyncio.gather(*(CLIENTS[client](port, body, left) for _ in range(AT_ONCE)))
    told = {"cpu": time.process_time() - cpu, "clock": time.monotonic() - clock}
    print(json.dumps({name: value / number for name, value in told.items()}))  # noqa: T201 - output


async def _post_with_httpx(port: int, body: bytes, left: Iterator[int]) -> None:
    import httpx  # noqa: TID251 - the bare client, in a process of its own

    async with httpx.AsyncClient() as client:
        for _ in left:
            answer = await client.post(
                f"http://127.0.0.1:{port}/bare",
                content=body,
                headers={"content-type": "application/json"},
            )
            assert answer.status_code == 200


async def _post_with_streams(port: int, body: bytes, left: Iterator[int]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /bare HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {len(body)}\r\n\r\n"
    for _ in left:
        writer.write(head.encode() + body)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(2)
    writer.close()


CLIENTS = {"httpx": _post_with_httpx, "streams": _post_with_streams}


def measure(number: int, conversations: int, rounds: int, profile: str = "") -> dict[str, Any]:
    """Return medians of what a delivery takes (milliseconds of CPU, deliveries a second), and bare posts."""
    found: dict[str, list[dict[str, float]]] = {
        "inbox-watcher": [],
        **{name: [] for name in CLIENTS},
    }
    with sink() as port:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory() as folder:
                found["inbox-watcher"].append(
                    owed(Path(folder), port, number, conversations, profile)
                )
            for client in CLIENTS:
                found[client].append(bare(client, port, number))
    return {
        who: {
            "cpu_ms": _median([1000 * one["cpu"] for one in each]),
            "a_second": _median([1 / one["clock"] for one in each]),
        }
        for who, each in found.items()
    }


def _median(values: Sequence[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--owed", type=int, default=5000)
    parser.add_argument("--conversations", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", default="", help="where cProfile writes what the daemon did")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--sink", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--bare", nargs=3, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sink:
        asyncio.run(_serve())
    elif asked.bare:
        asyncio.run(_post_bare(asked.bare[0], int(asked.bare[1]), int(asked.bare[2])))
    else:
        found = measure(asked.owed, asked.conversations, asked.rounds, asked.profile)
        print(json.dumps(found, indent=None if asked.json else 1))  # noqa: T201 - output


if __name__ == "__main__":
    main()
