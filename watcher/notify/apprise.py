"""Apprise: the text, written for the service of each URL and sent from a worker process.

Law: Apprise is never imported here. Its own thread pool starves when a few servers drip, and a
thread that hangs keeps a process from exiting; a worker process can be killed. Workers are few,
shared by all Apprise receivers, and ended with the daemon.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Sequence

import anyio
import anyio.to_process

from watcher.errors import ConfigError
from watcher.model import Result, derive_id
from watcher.notify import Notice, _apprise_worker
from watcher.settings.values import Format
from watcher.templates import Written, service_of, write

__all__ = ["AppriseNotifier", "fingerprint", "validate"]

DEADLINE = 60.0
"""Seconds for one send; also the longest wait for a free worker."""

START = 30.0
"""Seconds that a worker may take to start, at the very most."""


class AppriseNotifier:
    """Sends the text to one receiver's Apprise URLs.

    Each service gets the text in its own markup: what a template's author wrote counts as `format`
    unless the notice says otherwise, what was inserted shows as it is.

    `urls` is asked at each attempt, since the files that it comes from may change; it may raise
    OSError or ConfigError. `limiter` bounds the workers and is shared by all Apprise receivers.
    An attempt takes at most twice `deadline` seconds: the wait for a worker, and the sending.

    Of several URLs each is sent to by itself, and the whole is done when all are. The result says
    which are done, as fingerprints too short to be undone, and the next attempt leaves them out.
    """

    text = True

    def __init__(
        self,
        urls: Callable[[], Sequence[str]],
        name: str,
        limiter: anyio.CapacityLimiter,
        *,
        format: Format = "text",  # noqa: A002 - the word of the configuration
        deadline: float = DEADLINE,
    ) -> None:
        self._urls = urls
        self._name = name
        self._limiter = limiter
        self._format = format
        self._deadline = deadline

    def __repr__(self) -> str:
        return f"AppriseNotifier({self._name!r})"

    async def send(self, notice: Notice) -> Result:
        """Send to every URL that this event has not reached yet."""
        try:
            urls = tuple(dict.fromkeys(self._urls()))
        except OSError as error:
            why = error.strerror or type(error).__name__
            return Result("failed", f"the address cannot be read ({why})")
        except ConfigError as error:
            return Result("failed", str(error).partition("\n")[0])
        body = notice.body if notice.body.strip() else (notice.title or notice.event.type)
        format_ = notice.format or self._format
        if not urls:
            return Result("rejected", "the receiver has no address")
        began = anyio.current_time()
        names = {url: fingerprint(url) for url in urls}
        results: dict[str, Result] = {}

        async def send_to(url: str) -> None:
            written = write(service_of(url), notice.title, body, format_)
            results[url] = await _send(url, written, self._limiter, self._deadline)

        async with anyio.create_task_group() as group:
            for url in urls:
                if names[url] not in notice.reached:
                    group.start_soon(send_to, url)
        result = _sum_up([results.get(url) for url in urls])
        done = {names[url] for url in urls if url not in results or results[url].outcome == "ok"}
        return dataclasses.replace(
            result,
            seconds=anyio.current_time() - began,
            reached=tuple(sorted(done)) if len(urls) > 1 else (),
        )

    async def close(self) -> None:
        """Workers end with the event loop; nothing else is held."""


def fingerprint(url: str) -> str:
    """Name a URL so that it is known again, too short to be undone."""
    return f"{zlib.crc32(derive_id(url).encode()):08x}"


async def validate(urls: Sequence[str]) -> tuple[str | None, ...]:
    """Tell for each Apprise URL what is wrong with it (no part of the URL is quoted), None where
    nothing is. Nothing is sent.
    """
    if not urls:
        return ()
    problem = "could not be checked: the worker process "
    with anyio.move_on_after(DEADLINE + START):
        try:
            return await anyio.to_process.run_sync(
                _apprise_worker.examine, tuple(urls), DEADLINE, cancellable=True
            )
        except (anyio.BrokenWorkerProcess, OSError, KeyboardInterrupt, SystemExit):
            return (problem + "ended",) * len(urls)
    return (problem + "did not answer in time",) * len(urls)


async def _send(
    url: str, written: Written, limiter: anyio.CapacityLimiter, deadline: float
) -> Result:
    with anyio.move_on_after(deadline) as wait:
        await limiter.acquire()
    if wait.cancelled_caught:
        return Result("failed", "not tried: all workers are busy with services that hang")
    began = anyio.current_time()
    try:
        # The worker ends itself at its deadline. To cancel from here may hit it while it starts,
        # and such a process anyio forgets, so that it lives on; hence much later.
        with anyio.move_on_after(deadline + START):
            result = await _send_in_worker(url, written, deadline)
            if result.outcome != "unknown" or anyio.current_time() - began < deadline:
                return result
    finally:
        limiter.release()
    return Result("unknown", f"no answer within {deadline:g} s")


async def _send_in_worker(url: str, written: Written, lifetime: float) -> Result:
    try:
        outcome, note = await anyio.to_process.run_sync(
            _apprise_worker.send,
            url,
            dataclasses.asdict(written),
            lifetime,
            cancellable=True,
            limiter=anyio.CapacityLimiter(1),  # ours was acquired before the clock started
        )
    except anyio.BrokenWorkerProcess as error:
        # anyio gives a text only where the worker never came up, so that nothing can have been sent
        if error.args:
            return Result("failed", "the worker process did not start")
        return Result("unknown", "the worker process ended while it sent")
    except OSError as error:
        return Result("failed", f"the worker process did not start ({error.strerror})")
    except (KeyboardInterrupt, SystemExit):
        # Of the worker: a signal to the process group that found it just starting.
        return Result("failed", "the worker process was interrupted")
    return Result(outcome, note)


def _sum_up(results: Sequence[Result | None]) -> Result:
    """Make one result of one per URL (None: reached before): whatever may still succeed is tried
    again first. Of several URLs, a note tells those in trouble by their position.
    """
    several = len(results) > 1
    for outcome in ("failed", "unknown", "rejected"):
        worst = [
            (f"{number}. {result.note}" if several else result.note, result)
            for number, result in enumerate(results, 1)
            if result is not None and result.outcome == outcome
        ]
        if worst:
            of = f"{len(worst)} of {len(results)}: " if several else ""
            return Result(worst[0][1].outcome, of + "; ".join(note for note, _ in worst))
    return Result("ok", ", ".join(dict.fromkeys(result.note for result in results if result)))
