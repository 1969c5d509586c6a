"""How long the daemon takes to have read so many real sources: `python -m tests.bench.readiness --help`.

`inbox-watcher run` watches the accounts of a server in a process of its own (`tests.bench.inbox`), first with
an empty store, then again with what that left. Prints one line for each start; a measurement, not a test:
the processor's seconds count more than the clock's where the machine has other work.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.bench.loading import IN_A_FILE

LOOK_EVERY = 0.5
"""Seconds between two looks at `/readyz`."""


def configure(folder: Path, asked: argparse.Namespace, inbox: int, server: int) -> None:
    """Write a configuration of so many accounts, spread over the inbox's addresses."""
    (folder / "a.yaml").write_text(
        f"store: {folder}/watcher.db\nserver: {{listen: '127.0.0.1:{server}'}}\n"
        "receivers:\n  crm: {type: webhook, url: 'http://127.0.0.1:9/hook'}\n"
        "rules:\n- {name: all, when: [conversation.*], notify: [crm]}\n"
    )
    setting = "account_id: {}" if asked.service == "chatwoot" else "location_id: Loc{:06}"
    for first in range(0, asked.sources, IN_A_FILE):
        blocks = (
            f"  loc-{number}:\n    provider: {asked.service}\n    {setting.format(number + 1)}\n"
            f"    base_url: http://127.0.0.{number % asked.hosts + 1}:{inbox}\n"
            f"    token: pit-3f0c{number:08}-9b1e-4a57\n"
            for number in range(first, min(first + IN_A_FILE, asked.sources))
        )
        (folder / f"sources-{first:06}.yaml").write_text("sources:\n" + "".join(blocks))


def start(folder: Path, asked: argparse.Namespace, inbox: int, server: int, what: str) -> str:
    """Start the daemon, wait until it is ready, end it; return the figures."""
    command = [sys.executable, "-m", "watcher", "run", "--config", str(folder)]
    if asked.profile:
        command[1:1] = ["-m", "cProfile", "-o", f"{asked.profile}-{what}"]
    before = _get(inbox, "/_count")[1]
    began = time.monotonic()
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        half, ready, first = 0.0, False, 0.0
        while not ready and time.monotonic() - began < asked.seconds and daemon.poll() is None:
            time.sleep(LOOK_EVERY)
            status, told = _get(server, "/readyz")
            ready = status == 200
            waiting = _waiting(told)
            now = time.monotonic() - began
            first = first or (now if told else 0.0)
            if told and not half and waiting <= asked.sources / 2:
                half = now
        took, cpu, memory = time.monotonic() - began, _seconds(daemon.pid), _peak(daemon.pid)
        after = _get(inbox, "/_count")[1]
        stopping = time.monotonic()
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
        stopped = time.monotonic() - stopping
    finally:
        daemon.kill()
    lines = len((folder / "log").read_bytes().splitlines())
    if os.environ.get("SHOW"):
        print((folder / "log").read_text()[-2000:])  # noqa: T201 - a command's output
    requests, served = after["requests"] - before["requests"], after["cpu"] - before["cpu"]
    return (
        f"{'ready' if ready else f'{waiting} still waiting'} after {took:.1f} s"
        f" (listening {first:.1f}, half {half:.1f}), {cpu:.1f} s of CPU,"
        f" {requests} requests ({served:.1f} s of the server's), {memory} MiB at most,"
        f" {lines} lines of log, SIGTERM {stopped:.1f} s, load {os.getloadavg()[0]:.1f}"
    )


def _waiting(told: Any) -> int:
    return int(told.get("sources", {}).get("waiting", 0))


def _get(port: int, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as answer:
        return answer.code, json.load(answer)
    except OSError:
        return 0, {}


def _seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(process: int) -> int:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) // 1024
    return 0


def _free() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> None:
    """Measure both starts and print their lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=2000)
    parser.add_argument("--service", choices=("chatwoot", "highlevel"), default="highlevel")
    parser.add_argument("--conversations", type=int, default=25)
    parser.add_argument("--hosts", type=int, default=1, help="addresses that the accounts share")
    parser.add_argument("--seconds", type=float, default=120, help="how long a start may take")
    parser.add_argument(
        "--profile", help="where cProfile writes what a start did: PATH-new and PATH-again"
    )
    asked = parser.parse_args()
    serving = [sys.executable, "-m", "tests.bench.inbox", "--service", asked.service]
    serving += ["--conversations", str(asked.conversations), "--hosts", str(asked.hosts)]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as inbox,
    ):
        try:
            assert inbox.stdout is not None
            port, server = int(inbox.stdout.readline()), _free()
            configure(Path(folder), asked, port, server)
            for what in ("new", "again"):
                figures = start(Path(folder), asked, port, server, what)
                print(f"{asked.sources} {asked.service}, {what}: {figures}", flush=True)  # noqa: T201 - a command's output
        finally:
            inbox.kill()


if __name__ == "__main__":
    main()
