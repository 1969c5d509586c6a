"""Running the daemon as a process: its store, its listeners and the signals.

Rules: opens and closes what the daemon needs, decides nothing. Signals are handled here: the first SIGTERM or
SIGINT stops gracefully, the second at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import anyio
import structlog
from anyio.abc import TaskStatus
from starlette.routing import Mount

from watcher import control, descriptors, web
from watcher.clock import wall_clock
from watcher.config.model import Config
from watcher.daemon import Daemon
from watcher.daemon.front import Front
from watcher.daemon.garbage import set_apart
from watcher.daemon.open_files import quieten
from watcher.daemon.pass_report import PassReport
from watcher.daemon.reload import Reloading
from watcher.daemon.watchdog import LoopWatchdog
from watcher.errors import grouped
from watcher.runtime import Publish
from watcher.settings.calendar import UTC_ZONE
from watcher.store import OwnedStore
from watcher.store.address import StoreAddress
from watcher.store.retrying import Retrier
from watcher.transport import Transport, prepare_loop

__all__ = ["open_store", "run", "run_once", "until_stopped"]

T = TypeVar("T")


@contextlib.asynccontextmanager
async def open_store(config: Config, retrier: Retrier | None = None) -> AsyncIterator[OwnedStore]:
    """Open the configured store as its only owner; raise StoreError, StoreLocked."""
    store = await config.store.open_owner("inbox-watcher run", retrier=retrier)
    try:
        yield store
    finally:
        with anyio.CancelScope(shield=True):
            await store.close()


async def run(
    config: Config,
    *,
    echo: Publish | None = None,
    load: Callable[[], Config] | None = None,
) -> None:
    """Run the daemon until SIGTERM or SIGINT.

    `load` reads the configuration for a reload (SIGHUP, or the command); without it a reload changes
    nothing. Raise StoreError, or OSError if an address cannot be bound.
    """
    descriptors.raise_limit()
    prepare_loop()
    asyncio.get_running_loop().set_exception_handler(quieten)
    retrier = Retrier()
    async with (
        open_store(config, retrier) as store,
        Transport(wall_clock, addresses=config.network.addresses) as transport,
    ):
        daemon = Daemon(config, store=store, transport=transport, echo=echo, retrier=retrier)
        set_apart()
        try:
            reloading = Reloading(daemon, load or (lambda: config), set_apart)
            await _serve(daemon, reloading, store, config.store)
        finally:
            with anyio.CancelScope(shield=True):
                await daemon.close()


async def run_once(config: Config) -> PassReport | None:
    """Make one pass; return what it did, None if a signal ended it before.

    Raise StoreError: a pass fails where the daemon waits.
    """
    descriptors.raise_limit()
    prepare_loop()
    async with (
        open_store(config) as store,
        Transport(wall_clock, addresses=config.network.addresses) as transport,
    ):
        daemon = Daemon(config, store=store, transport=transport)
        try:
            return await until_stopped(daemon, daemon.once)
        finally:
            with anyio.CancelScope(shield=True):
                await daemon.close()


async def until_stopped(daemon: Daemon, work: Callable[[], Awaitable[T]]) -> T | None:
    """Run some of the daemon's work, stopping gracefully on SIGTERM or SIGINT; return its result, None
    if it was not completed.
    """
    result: T | None = None
    async with anyio.create_task_group() as tasks:
        await tasks.start(_watch_signals, daemon, tasks.cancel_scope)
        result = await work()
        tasks.cancel_scope.cancel()
    return result


async def _serve(
    daemon: Daemon, reloading: Reloading, store: OwnedStore, address: StoreAddress
) -> None:
    log = structlog.get_logger()
    server = daemon.config.server
    front = Front(daemon, reloading.reload, address, wall_clock)
    listeners: list[Callable[[], Coroutine[Any, Any, None]]] = []
    addresses: list[tuple[str, int]] = []
    if server is not None:
        told = (
            daemon.freshness,
            daemon.scrape.text,
            daemon.store_failing,
            daemon.stuck,
            daemon.disk_low,
        )
        links = web.link_routes(daemon, wall_clock, lambda: daemon.config.timezone or UTC_ZONE)
        pages = [*links, Mount("/", front.pages)]
        page = front.door(web.naming(web.create_app(*told, pages=pages)), "tcp")
        app = web.counted(web.guarded(page, server.listen, server.names), daemon.metrics)
        addresses.append((server.listen.host, server.listen.port))
        bound = web.bind(*addresses[-1])
        daemon.listening = web.address_of(bound)
        listeners.append(partial(web.serve, app, bound))
        if server.probes is not None:
            addresses.append((server.probes.host, server.probes.port))
            probes = web.create_probes(*told)
            listeners.append(partial(web.serve, probes, web.bind(*addresses[-1]), once=True))
    listener, socket_path = control.bind_control(address.daemon_socket)
    remote = front.door(control.create_app(daemon, reloading.reload), "control")
    listeners.append(partial(web.serve, remote, listener))
    store.record_socket(socket_path)
    try:
        with LoopWatchdog(late=daemon.metrics.loop_delay.observe) as guard:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(guard.run, name="turns")
                for serve in listeners:
                    tasks.start_soon(serve, name="server")
                # Whoever reads that it watches may signal it at once.
                await tasks.start(_watch_signals, daemon, tasks.cancel_scope, name="signals")
                await tasks.start(_watch_hangups, reloading, name="hangups")
                log.info(
                    "watching",
                    sources=len(daemon.pollers),
                    receivers=len(daemon.dispatchers),
                    rules=len(daemon.config.rules),
                    listening=", ".join(f"{host}:{port}" for host, port in addresses) or "nowhere",
                    control=str(socket_path),
                )
                tasks.start_soon(_look_closer, daemon, name="look")
                await daemon.run()
                daemon.feed.close()
                tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await front.close()
        control.remove_control(socket_path)
    log.info("stopped")


async def _look_closer(daemon: Daemon) -> None:
    """Warn of what a closer look at the receivers shows; it takes a second or two, so nothing waits."""
    log = structlog.get_logger()
    try:
        found = await daemon.look_closer()
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        log.warning("the receivers could not be looked at", error=type(error).__name__)
        return
    for problem in grouped(found):
        log.warning("the configuration", problem=problem)


async def _watch_hangups(
    reloading: Reloading, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Reload the configuration at each SIGHUP."""
    with anyio.open_signal_receiver(signal.SIGHUP) as signals:
        task_status.started()
        async for _number in signals:
            await reloading.reload()


async def _watch_signals(
    daemon: Daemon,
    scope: anyio.CancelScope,
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Stop gracefully on the first SIGTERM or SIGINT, at once on the second."""

    async def stop() -> None:
        await daemon.stop()
        scope.cancel()

    stopping = False
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async with anyio.create_task_group() as tasks:
            async for number in signals:
                structlog.get_logger().info("stopping", signal=signal.Signals(number).name)
                if stopping:
                    daemon.cancel()
                    scope.cancel()
                    return
                stopping = True
                tasks.start_soon(stop)
