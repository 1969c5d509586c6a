"""The real program on a real file system of a few megabytes, which somebody else fills.

What writes much waits before the disk is full, and that is told; what writes little goes on. When there is
room again, everything goes on, and nothing is lost.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

from .endless import HEALTHY, Endless
from .harness import wait_until
from .verdict import examine, judge_log

MIB = 2**20
SIZE = 64 * MIB
KEPT = SIZE // 20
"""`least_free`, by default 5 %."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Yield the folder of a file system of its own; skip where it cannot be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("only root mounts a file system")
    command = [mount, "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def free(disk: Path) -> int:
    told = os.statvfs(disk)
    return told.f_bavail * told.f_frsize


def fill(disk: Path, leaving: int) -> Path:
    """Take what is free of a disk, but for so many bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        # The daemon writes meanwhile: what it took since we looked is not there any more.
        for _ in range(1000):
            if (wanted := free(disk) - leaving) <= 0:
                break
            with contextlib.suppress(OSError):
                os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, wanted)
    return ballast


def test_who_writes_much_waits_before_the_disk_is_full(tmp_path: Path, disk: Path) -> None:
    with start_blocking_portal() as portal:
        there = Endless(tmp_path, portal, most=1_000_000, store=disk)
        with there.alive() as process:
            every = dict.fromkeys(there.sources, 1)
            assert wait_until(lambda: there.told("source.baselined") == every, 120, 0.1)
            ballast = fill(disk, leaving=KEPT + MIB)
            there.never_end(text=10_000)
            assert wait_until(lambda: there.of("watcher.disk_low"), 120, 0.1)
            (low,) = there.of("watcher.disk_low")
            assert "of the store's disk are left" in low["data"]["reason"]
            assert "The disk is nearly full since" in there.command("status").stdout
            # What writes little goes on, and what is kept free stays free for it.
            for number in range(5):
                said = there.write(f"Question {number}")[HEALTHY]
                assert wait_until(lambda said=said: said in there.messages(), 60, 0.1)  # type: ignore[misc]
                assert free(disk) > KEPT // 2
            assert there.known()["chatwoot"] == 30  # a page of it is more than there is room for
            assert process.poll() is None
            # Lists have an end again, and somebody makes room.
            there.end_again()
            ballast.unlink()
            assert wait_until(lambda: there.of("watcher.disk_recovered"), 120, 0.1)
            (again,) = there.of("watcher.disk_recovered")
            assert again["data"]["since"] == low["data"]["since"]
            said_by_all = {*there.write("And now").values()}
            assert wait_until(lambda: said_by_all <= there.messages(), 120, 0.1)
            there.stop(process)
        assert examine(disk) == ""
        assert judge_log(there, there.about_real()) == []
        assert there.known_of_real() == dict.fromkeys(there.sources, 30)
        log = there.log.read_text()
        assert log.count("the disk is low") == log.count("the disk has room again") == 1
        assert "Traceback" not in log
        assert "the store fails" not in log  # it never came to that
        portal.start_task_soon(portal.stop, True)


@pytest.mark.parametrize("left", [0, 65536])
def test_a_disk_that_somebody_fills_whole_stops_nothing_for_good(
    tmp_path: Path, disk: Path, left: int
) -> None:
    """Nobody can keep free what others take: then everything waits, and is told when there is room."""
    with start_blocking_portal() as portal:
        there = Endless(tmp_path, portal, most=1_000_000, store=disk)
        with there.alive() as process:
            every = dict.fromkeys(there.sources, 1)
            assert wait_until(lambda: there.told("source.baselined") == every, 120, 0.1)
            ballast = fill(disk, leaving=left)
            said: set[str] = set()
            while "the store fails" not in there.log.read_text() and len(said) < 100:
                said |= {*there.write(f"Question {len(said)}").values()}
                wait_until(lambda: "the store fails" in there.log.read_text(), 2, 0.1)
            assert process.poll() is None
            ballast.unlink()
            assert wait_until(lambda: said <= there.messages(), 120, 0.1)
            there.stop(process)
        assert examine(disk) == ""
        assert judge_log(there, there.about_real()) == []
        assert "Traceback" not in there.log.read_text()
        portal.start_task_soon(portal.stop, True)
