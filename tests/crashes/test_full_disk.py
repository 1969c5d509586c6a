"""The real program while its files may not grow, and at the start on files that it must refuse."""

from __future__ import annotations

import hashlib
import resource
import signal
import subprocess
import sys
from pathlib import Path

from anyio.from_thread import start_blocking_portal

from .harness import Harness, wait_until
from .verdict import judge, pending


def watcher(harness: Harness, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "watcher", *arguments, "--config", str(harness.config)]


def test_files_that_may_not_grow_stop_nothing_for_good(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with start_blocking_portal() as portal:
        harness = Harness(tmp_path, portal, seed=3, conversations=15, lasting=False)
        harness.failing = 0
        with log.open("wb") as out:
            process = subprocess.Popen(watcher(harness, "run"), stderr=out)
        try:
            assert wait_until(lambda: len(harness.ledger.baselines) == 4, 60, 0.05)
            forever = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (65536, forever[1]))
            harness.changing = True
            assert wait_until(lambda: "the store fails" in log.read_text(), 60, 0.05)
            asked = subprocess.run(watcher(harness, "status"), capture_output=True, text=True)
            before = len(harness.ledger.arrivals)
            assert asked.returncode == 0
            assert "Everything waits for the store since" in asked.stdout
            assert "make room on the disk" in asked.stdout
            assert harness.owed()
            assert len(harness.ledger.arrivals) == before  # nothing is sent that cannot be recorded
            harness.changing = False
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, forever)
            assert wait_until(lambda: not harness.owed(), 60, 0.05)
            # The deaths of what one receiver refuses are told after the changes.
            assert wait_until(lambda: not pending(tmp_path), 60, 0.05)
            process.send_signal(signal.SIGTERM)
            assert process.wait(15) == 0
        finally:
            process.kill()
            process.wait()
        assert judge(harness) == []
        arrivals = [(one.receiver, one.id) for one in harness.ledger.arrivals]
        assert len(arrivals) == len(set(arrivals))
        said = log.read_text()
        assert said.count("the store fails") == said.count("the store works again") == 1
        assert "Traceback" not in said
        portal.start_task_soon(portal.stop, True)


def test_a_file_that_is_no_store_is_refused_at_the_start(tmp_path: Path) -> None:
    with start_blocking_portal() as portal:
        harness = Harness(tmp_path, portal, seed=3, conversations=1, lasting=False)
        store = tmp_path / "watcher.db"
        store.write_bytes(b"SQLite format 3\0" + b"\xa5" * 9000)
        before = hashlib.sha256(store.read_bytes()).hexdigest()
        done = subprocess.run(watcher(harness, "run"), capture_output=True, text=True)
        assert done.returncode == 1
        error, help_ = done.stderr.splitlines()[-2:]
        assert error.startswith(f"error: the store {store} failed")
        assert help_.startswith("help: it is damaged or no SQLite database: restore a backup")
        assert hashlib.sha256(store.read_bytes()).hexdigest() == before
        assert harness.ledger.requests == 0
        portal.start_task_soon(portal.stop, True)
