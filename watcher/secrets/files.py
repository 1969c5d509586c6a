"""Reading a secret's file without being held up by it: a pipe that nobody writes, a mount that hangs.

Rules: regular files alone, of bounded size. Whoever waits, waits until a deadline; the thread that hangs
is left behind, and while several hang nothing new is tried.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue

__all__ = ["LARGEST", "Mark", "Reading", "begin", "look", "take"]

LARGEST = 64 * 1024
"""Bytes of a secret's file."""

MOST_HUNG = 8
"""Threads that may hang in reading files at once."""

Mark = tuple[int, int, int]
"""What changes when a file does."""

Reading = Future[tuple[Mark, bytes | None]]
"""The mark of a file and its content, None where it is the one that was known."""


def look(path: Path, known: Mark | None) -> tuple[Mark, bytes | None]:
    """Return a file's mark and, where it is not the `known` one, its content; raise OSError."""
    status = os.stat(path)  # noqa: PTH116 - follows Kubernetes' links like open does
    mark = (status.st_mtime_ns, status.st_size, status.st_ino)
    if mark == known:
        return mark, None
    # Without waiting for who might write into a pipe.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - of a descriptor
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(kind):
            raise OSError(errno.EINVAL, "it is not a regular file")
        return mark, stream.read(LARGEST + 1)


class _Reader:
    """A thread that reads files, one after the other."""

    def __init__(self) -> None:
        self.jobs: SimpleQueue[tuple[Reading, Callable[[], tuple[Mark, bytes | None]]]] = (
            SimpleQueue()
        )
        threading.Thread(target=self._run, name="secret-files", daemon=True).start()

    def _run(self) -> None:
        while True:
            reading, work = self.jobs.get()
            try:
                reading.set_result(work())
            except (OSError, ValueError) as error:
                reading.set_exception(error)


_door = threading.Lock()
_readers: list[_Reader] = []
_hung: list[Reading] = []


def begin(path: Path, known: Mark | None) -> Reading:
    """Begin to look at a file; raise TimeoutError while too many others hang."""
    reading: Reading = Future()
    with _door:
        _hung[:] = [one for one in _hung if not one.done()]
        if len(_hung) >= MOST_HUNG:
            raise TimeoutError(errno.ETIMEDOUT, "it does not answer, nor do others")
        if not _readers:
            _readers.append(_Reader())
        _readers[0].jobs.put((reading, lambda: look(path, known)))
    return reading


def take(reading: Reading, seconds: float) -> tuple[Mark, bytes | None]:
    """Return what came of it; raise OSError, TimeoutError (which is one) after some seconds."""
    try:
        return reading.result(seconds)
    except TimeoutError:
        if reading.done():
            raise
        with _door:
            _hung.append(reading)
            _readers.clear()  # the next file gets another thread
        raise TimeoutError(errno.ETIMEDOUT, "it does not answer") from None
