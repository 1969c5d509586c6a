"""Running the daemon as a process: its store, its listeners and the signals.

Rules: opens and closes what the daemon needs, decides nothing. Signals are handled here: the first SIGTERM or
SIGINT stops gracefully, the second at once.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import anyio
import structlog

from watcher import control, web
from watcher.clock import wall_clock
from watcher.config import Config
from watcher.daemon import Daemon
from watcher.daemon.pass_report import PassReport
from watcher.daemon.reload import Reloading
from watcher.daemon.watchdog import LoopWatchdog
from watcher.runtime import Publish
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
    prepare_loop()
    retrier = Retrier()
    async with open_store(config, retrier) as store, Transport(wall_clock) as transport:
        daemon = Daemon(config, store=store, transport=transport, echo=echo, retrier=retrier)
        try:
            reloading = Reloading(daemon, load or (lambda: config))
            await _serve(daemon, reloading, store, config.store)
        finally:
            with anyio.CancelScope(shield=True):
                await daemon.close()


async def run_once(config: Config) -> PassReport | None:
    """Make one pass; return what it did, None if a signal ended it before.

    Raise StoreError: a pass fails where the daemon waits.
    """
    prepare_loop()
    async with open_store(config) as store, Transport(wall_clock) as transport:
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
        tasks.start_soon(_watch_signals, daemon, tasks.cancel_scope)
        result = await work()
        tasks.cancel_scope.cancel()
    return result


async def _serve(
    daemon: Daemon, reloading: Reloading, store: OwnedStore, address: StoreAddress
) -> None:
    log = structlog.get_logger()
    server = daemon.config.server
    listeners = []
    addresses: list[tuple[str, int]] = []
    if server is not None:
        registry = daemon.metrics.registry
        app = web.create_app(daemon.sources, registry, daemon.store_failing, daemon.stuck)
        addresses = [(server.listen.host, server.listen.port)]
        if server.probes is not None:
            addresses.append((server.probes.host, server.probes.port))
        listeners = [(app, web.bind(host, port)) for host, port in addresses]
    listener, socket_path = control.bind_control(address.daemon_socket)
    listeners.append((control.create_app(daemon, reloading.reload), listener))
    store.record_socket(socket_path)
    log.info(
        "watching",
        sources=len(daemon.pollers),
        receivers=len(daemon.dispatchers),
        rules=len(daemon.config.rules),
        listening=", ".join(f"{host}:{port}" for host, port in addresses) or "nowhere",
        control=str(socket_path),
    )
    try:
        with LoopWatchdog() as guard:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(guard.run, name="turns")
                for app, bound in listeners:
                    tasks.start_soon(web.serve, app, bound, name="server")
                tasks.start_soon(_watch_signals, daemon, tasks.cancel_scope, name="signals")
                tasks.start_soon(_watch_hangups, reloading, name="hangups")
                await daemon.run()
                tasks.cancel_scope.cancel()
    finally:
        control.remove_control(socket_path)
    log.info("stopped")


async def _watch_hangups(reloading: Reloading) -> None:
    """Reload the configuration at each SIGHUP."""
    with anyio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _number in signals:
            await reloading.reload()


async def _watch_signals(daemon: Daemon, scope: anyio.CancelScope) -> None:
    """Stop gracefully on the first SIGTERM or SIGINT, at once on the second."""

    async def stop() -> None:
        await daemon.stop()
        scope.cancel()

    stopping = False
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with anyio.create_task_group() as tasks:
            async for number in signals:
                structlog.get_logger().info("stopping", signal=signal.Signals(number).name)
                if stopping:
                    daemon.cancel()
                    scope.cancel()
                    return
                stopping = True
                tasks.start_soon(stop)
