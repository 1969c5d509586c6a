"""The processes of a bench: the watcher, the service it watches, the bare clients; and what each has used.

Everything ends with the `with` block that started it. CPU is user and system time of a process and its
children; a rhythm or a rate is taken by the clock.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = [
    "CLIENTS", "IN_A_FILE", "Bare", "Gone", "Service", "Watcher", "cpu_of", "free_port", "installed",
    "memory_of", "peak_of", "timed",
]  # fmt: skip

CLIENTS = ("streams", "direct", "httpx", "aiohttp")
"""The bare clients; `aiohttp` (with msgspec) where both are installed."""

IN_A_FILE = 5000
"""Sources in a file, which may have 1 MB."""

_CLOCK = os.sysconf("SC_CLK_TCK")
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Gone(Exception):
    """A process ended, or did not come so far in time."""


def installed(client: str) -> bool:
    """Return whether a bare client can run here."""
    needed = ("aiohttp", "msgspec") if client == "aiohttp" else ()
    return all(importlib.util.find_spec(name) for name in needed)


def free_port() -> int:
    """Return a port that nobody uses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def family(process: int) -> list[int]:
    """Return a process and all its descendants."""
    found, todo = [], [process]
    while todo:
        one = todo.pop()
        found.append(one)
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            todo += [int(child) for child in task.read_text().split()]
    return found


def cpu_of(process: int) -> float:
    """Return the seconds of CPU of a process and its descendants so far, those that ended included."""
    total = 0
    for one in family(process):
        try:
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / _CLOCK


def _of_status(process: int, what: str) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(what)), 0.0)


def memory_of(process: int) -> float:
    """Return the MiB that are resident."""
    return _of_status(process, "VmRSS:")


def peak_of(process: int) -> float:
    """Return the MiB that were resident at most."""
    return _of_status(process, "VmHWM:")


def timed(command: Sequence[str], cwd: Path) -> tuple[float, float]:
    """Run a command; return its seconds by the clock and of CPU. Raise Gone if it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Gone(f"{' '.join(command)} ended with {process.returncode}")
    return time.perf_counter() - began, used.ru_utime + used.ru_stime


class _Process:
    """A process that is killed at the end of its block."""

    def __init__(self, *command: str, **options: Any) -> None:
        self.process = subprocess.Popen(command, text=True, **options)

    @property
    def pid(self) -> int:
        """The process' id."""
        return self.process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()


class Service(_Process):
    """`tests.bench.service` as a process; `options` are its arguments."""

    def __init__(self, *, certificate: Path | None = None, **options: int | bool) -> None:
        given = [
            argument
            for name, value in options.items()
            if value is not False
            for argument in ((f"--{name}",) if value is True else (f"--{name}", str(value)))
        ]
        if certificate is not None:
            given += ["--certificate", str(certificate)]
        super().__init__(
            sys.executable, "-m", "tests.bench.service", *given, stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise Gone("the service did not start")
        self.port = int(line)
        self._scheme = "http" if certificate is None else "https"
        self._context = ssl.create_default_context(cafile=certificate) if certificate else None
        first = int(options.get("host", 0))
        self.hosts = [
            f"{self._scheme}://127.0.{number // 250}.{number % 250 + 1}:{self.port}"
            for number in range(first, first + int(options.get("hosts", 1)))
        ]
        self.base = self.hosts[0]

    def _get(self, path: str) -> Any:
        handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
        if self._context is not None:
            handlers.append(urllib.request.HTTPSHandler(context=self._context))
        with urllib.request.build_opener(*handlers).open(self.base + path, timeout=120) as answer:
            return json.load(answer)

    def read(self, *, clear: bool = False, brief: bool = False) -> dict[str, Any]:
        """Return what was asked and posted since it was last cleared; `brief`: only how many."""
        flags = "&".join([*(["clear=1"] if clear else []), *(["brief=1"] if brief else [])])
        told: dict[str, Any] = self._get(f"/_bench/read?{flags}")
        return told

    def change(
        self, what: str, account: int | None = None, *, everything: bool = False
    ) -> dict[str, Any]:
        """Change a conversation of every account, or of one; return when, and which."""
        one = "" if account is None else f"&account={account}"
        told: dict[str, Any] = self._get(
            f"/_bench/change?what={what}{one}{'&all=1' if everything else ''}"
        )
        return told

    def gate(self, *, opened: bool) -> None:
        """Hold the answers to posts back, or let them go."""
        self._get(f"/_bench/gate?open={int(opened)}")


class Bare(_Process):
    """A bare client (`tests.bench.bare`)."""

    def __init__(self, client: str, environment: Mapping[str, str] | None = None) -> None:
        self.client = client
        super().__init__(
            sys.executable, "-m", "tests.bench.bare", client,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **(environment or {})},
        )  # fmt: skip

    def begin(self, **job: Any) -> None:
        """Give it a job."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()

    def end(self) -> dict[str, float]:
        """Wait until the job is done; return `cpu`, `wall` and `requests`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise Gone(f"the bare client {self.client} ended")
        told: dict[str, float] = json.loads(line)
        return told


class Watcher:
    """`inbox-watcher run` in a folder of its own, watching accounts of Chatwoot: name → base URL, number."""

    def __init__(
        self,
        accounts: Mapping[str, tuple[str, int]],
        hook: str,
        *,
        poll_every: str = "4s",
        sweep_every: str = "15m",
        rule: Mapping[str, Any] | None = None,
        receiver: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory()
        self.folder = Path(self._temporary.name)
        self.port = free_port()
        self.accounts = len(accounts)
        self._environment = {**os.environ, **(environment or {})}
        self.command = [sys.executable, "-m", "watcher"]
        self.configuration = self.folder / "configuration"
        self.configuration.mkdir()
        general = {
            "store": str(self.folder / "watcher.db"),
            "server": {"listen": f"127.0.0.1:{self.port}"},
            "receivers": {"crm": {"type": "webhook", "url": hook, **(receiver or {})}},
            "rules": [
                {"name": "Baselines", "when": "source.baselined", "notify": ["crm"]},
                {"name": "All", "when": "conversation.*", "notify": ["crm"], **(rule or {})},
            ],
        }
        (self.configuration / "a.yaml").write_text(json.dumps(general))
        lines = [
            f"  {name}: {{provider: chatwoot, base_url: '{base}', account_id: {number},"
            f" token: not-a-secret-{number:06}, poll_every: {poll_every}, sweep_every: {sweep_every}}}\n"
            for name, (base, number) in accounts.items()
        ]
        for first in range(0, len(lines), IN_A_FILE):
            path = self.configuration / f"sources-{first:06}.yaml"
            path.write_text("sources:\n" + "".join(lines[first : first + IN_A_FILE]))

    def start(self) -> None:
        """Start it."""
        self._log = (self.folder / "log").open("ab")
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [*self.command, "run", "--config", str(self.configuration)],
            stdout=self._log, stderr=self._log, env=self._environment,
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process' id."""
        return self.process.pid

    @property
    def store(self) -> int:
        """Bytes on the disk."""
        return sum(path.stat().st_size for path in self.folder.glob("watcher.db*"))

    def check(self) -> None:
        """Raise Gone if it does not run."""
        if self.process.poll() is not None:
            told = (self.folder / "log").read_text(errors="replace")[-800:]
            raise Gone(f"the watcher ended with {self.process.returncode}: {told}")

    def ready(self, seconds: float, strict: bool = True) -> float:
        """Wait until it says that it is ready; return the seconds since its start. Raise Gone."""
        address = f"http://127.0.0.1:{self.port}/readyz"
        while True:
            self.check()
            try:
                with _OPENER.open(address + ("?strict" if strict else ""), timeout=30):
                    return time.monotonic() - self.began
            except OSError:
                pass
            if time.monotonic() - self.began > seconds:
                raise Gone(f"not ready after {seconds:.0f} s")
            time.sleep(0.05)

    def stop(self) -> float:
        """End it; return the seconds that it took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()
        return time.monotonic() - began

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._temporary.cleanup()
