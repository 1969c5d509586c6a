"""The real program with few descriptors: hundreds of connections that say nothing, then none left at all."""

from __future__ import annotations

import contextlib
import http.client
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from .harness import Harness, wait_until
from .verdict import judge, pending

LIMIT = 128
"""Descriptors of the program: it has about 25 open, and up to 30 connections of its own."""

SLOW = 600
"""Connections that send a byte a second, and are made again when they end."""


def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Doors:
    """The program with a page and probes, and what its doors answer."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.log = harness.folder / "log.txt"
        self.page, self.probes = unused_port(), unused_port()
        config = harness.config.read_text()
        server = f"server: {{listen: '127.0.0.1:{self.page}', probes: '127.0.0.1:{self.probes}'}}"
        harness.config.write_text(config.replace("server: false", server))

    def command(self, *arguments: str) -> list[str]:
        program = [sys.executable, "-m", "watcher", *arguments]
        return [*program, "--config", str(self.harness.config)]

    @contextmanager
    def running(self, limit: int) -> Iterator[subprocess.Popen[bytes]]:
        limited = [
            "sh",
            "-c",
            f'ulimit -Sn 64; ulimit -Hn {limit}; exec "$@"',
            "sh",
            *self.command("run"),
        ]
        with self.log.open("wb") as out:
            process = subprocess.Popen(limited, stderr=out)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def healthy(self, port: int, host: str = "localhost") -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        try:
            connection.request("GET", "/healthz", headers={"host": host})
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    @contextmanager
    def besieged(self, port: int, many: int) -> Iterator[list[socket.socket]]:
        """Hold `many` connections open to a port, each in the middle of a header."""
        held: list[socket.socket] = []
        over = threading.Event()

        def hold() -> None:
            while not over.wait(1):
                for one in list(held):
                    try:
                        one.send(b"a")
                    except OSError:
                        held.remove(one)
                        one.close()
                while len(held) < many:
                    held.append(socket.create_connection(("127.0.0.1", port), timeout=5))
                    held[-1].send(b"GET /healthz HTTP/1.1\r\nX: ")

        thread = threading.Thread(target=hold)
        thread.start()
        try:
            yield held
        finally:
            over.set()
            thread.join()
            for one in held:
                one.close()


def settle(doors: Doors, process: subprocess.Popen[bytes]) -> None:
    """Wait until nothing is owed, stop the program and judge."""
    harness = doors.harness
    harness.changing = False
    assert wait_until(lambda: not harness.owed(), 60, 0.05)
    assert wait_until(lambda: not pending(harness.folder), 60, 0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert judge(harness) == []
    said = doors.log.read_text()
    assert "Traceback" not in said
    assert len(said) < 200_000


def test_hundreds_of_slow_connections_take_nothing_from_anybody(tmp_path: Path) -> None:
    with start_blocking_portal() as portal:
        harness = Harness(tmp_path, portal, seed=5, conversations=15, lasting=False)
        harness.failing = 0
        doors = Doors(harness)
        with doors.running(LIMIT) as process:
            assert wait_until(lambda: len(harness.ledger.baselines) == 4, 60, 0.05)
            assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE) == (LIMIT, LIMIT)  # raised
            assert doors.healthy(doors.probes, "evil.example")
            assert not doors.healthy(doors.page, "evil.example")
            harness.changing = True
            with doors.besieged(doors.probes, SLOW) as held:
                assert wait_until(lambda: len(held) >= SLOW, 30, 0.05)
                before = len(harness.ledger.arrivals)
                for _ in range(6):
                    assert wait_until(lambda: doors.healthy(doors.probes), 60)
                    assert doors.healthy(doors.page)
                    assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < LIMIT
                asked = subprocess.run(doors.command("status"), capture_output=True, text=True)
                assert asked.returncode == 0, asked.stderr
                assert wait_until(lambda: len(harness.ledger.arrivals) > before, 30, 0.05)
            settle(doors, process)
        said = doors.log.read_text()
        assert 1 <= said.count("connections are closed") <= 4
        assert "the store fails" not in said
        portal.start_task_soon(portal.stop, True)


def test_no_descriptor_at_all_passes(tmp_path: Path) -> None:
    with start_blocking_portal() as portal:
        harness = Harness(tmp_path, portal, seed=6, conversations=15, lasting=False)
        harness.failing = 0
        doors = Doors(harness)
        with doors.running(1024) as process:
            assert wait_until(lambda: len(harness.ledger.baselines) == 4, 60, 0.05)
            assert doors.healthy(doors.probes)
            allowed = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (8, allowed[1]))
            harness.changing = True
            with contextlib.ExitStack() as silent:
                for _ in range(50):
                    silent.enter_context(socket.create_connection(("127.0.0.1", doors.page)))
                assert wait_until(lambda: "no descriptor left" in doors.log.read_text(), 60, 0.05)
                assert wait_until(lambda: harness.changes > 50, 90, 0.05)
                assert process.poll() is None
                resource.prlimit(process.pid, resource.RLIMIT_NOFILE, allowed)
                assert wait_until(lambda: doors.healthy(doors.page), 60, 0.05)
            settle(doors, process)
        said = doors.log.read_text()
        assert 1 <= said.count("nothing can be sent: this process has no descriptor left") <= 3
        assert said.count("no connection can be taken") <= 3
        portal.start_task_soon(portal.stop, True)
