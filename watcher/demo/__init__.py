"""The demonstration: simulated providers, the real watcher, a real receiver, all on loopback.

Law: a composition root beside the command line. What runs here is what `inbox-watcher run` runs,
with a configuration from a file; only the providers and the receiver are ours.
"""

from __future__ import annotations

import contextlib
import math
import os
import socket
import tempfile
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import anyio
from starlette.types import ASGIApp

from watcher import logs, web
from watcher.clock import wall_clock
from watcher.config import Config, load
from watcher.daemon import serving
from watcher.demo.receiver import Inbound
from watcher.demo.reckoning import Change, Reckoning, reckon
from watcher.demo.scenes import Scene, open_scenes, write_configuration
from watcher.demo.terminal import Terminal
from watcher.records import Recorded

__all__ = ["run_demo"]

HOST = "127.0.0.1"

PACE = 1.0
"""Seconds between two things that happen. The scenes take turns, so one scene rests for longer
than a sweep takes to come round: no change is overtaken by the next before anybody looks.
"""

SETTLING = 4.0
"""Seconds before the end in which nothing new happens, so that all can arrive."""


def run_demo(duration: timedelta | None) -> int:
    """Run until `duration` has passed, or until Ctrl-C; gives the exit status.

    Status 1: a change did not arrive that should have long since. The folder with configuration
    and database is kept, and its path is printed. Raises StoreError and OSError like
    `watcher.daemon.serving.run`.
    """
    _keep_off_proxies()
    demonstration = Demonstration(Terminal(wall_clock), duration)
    with contextlib.suppress(KeyboardInterrupt):  # before the daemon listens for it, or after
        anyio.run(demonstration.run)
    return demonstration.end()


class Demonstration:
    """One run: what happened in the scenes, what was detected, and what arrived."""

    def __init__(self, terminal: Terminal, duration: timedelta | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="inbox-watcher-demo-"))
        self.terminal = terminal
        self.seconds = math.inf if duration is None else duration.total_seconds()
        self.scenes: tuple[Scene, ...] = ()
        self.inbound = Inbound(wall_clock, terminal.arrived, terminal.read)
        self.happened = 0
        self.detected = 0
        self._watching = anyio.Event()
        self._baselined: set[str] = set()

    async def run(self) -> None:
        """Set everything up and let it run."""
        deadline = anyio.current_time() + self.seconds
        self.scenes = open_scenes(wall_clock)
        apps: list[ASGIApp] = [scene.app for scene in self.scenes]
        listeners = [web.bind(HOST, 0) for _ in (*apps, self.inbound)]
        ports = [_port(listener) for listener in listeners]
        health = _free_port()
        rules = write_configuration(
            self.folder, self.scenes, self.inbound.secret, ports=ports, health=health
        )
        config = load([rules], environ={})
        logs.configure(level="warning", scrub=config.redactor.scrub)
        self.terminal.introduce(self.scenes, ports, rules, str(config.store), health)
        async with anyio.create_task_group() as servers:
            for app, listener in zip((*apps, self.inbound.app), listeners, strict=True):
                servers.start_soon(web.serve, app, listener)
            await self._watch(config, deadline)
            servers.cancel_scope.cancel()

    async def _watch(self, config: Config, deadline: float) -> None:
        """Run the daemon until a signal ends it, or the story does."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tell, deadline, tasks.cancel_scope)
            await serving.run(config, echo=self._echo)
            tasks.cancel_scope.cancel()

    def _echo(self, recorded: Sequence[Recorded]) -> None:
        for one in recorded:
            event = one.event
            self.detected += event.subject is not None
            self.terminal.detected(event)
            if event.type == "source.baselined":
                self._baselined.add(event.source)
        if len(self._baselined) == len(self.scenes):
            self._watching.set()

    async def _tell(self, deadline: float, scope: anyio.CancelScope) -> None:
        """Let things happen, one scene after the other; stop in time for all of it to arrive."""
        curtain = max(deadline - SETTLING, anyio.current_time() + self.seconds / 2)
        with anyio.CancelScope(deadline=curtain):
            await self._watching.wait()
            while True:
                for scene in self.scenes:
                    told = scene.step()
                    self.happened += 1
                    self.terminal.happens(scene, told)
                    await anyio.sleep(PACE)
        await anyio.sleep(deadline - anyio.current_time())
        scope.cancel()

    def reckon(self) -> Reckoning:
        """Compare what happened with what has arrived until now."""
        changes = [Change(scene.name, entry) for scene in self.scenes for entry in scene.changes]
        return reckon(changes, self.inbound.arrivals, wall_clock())

    def end(self) -> int:
        """Sum up; gives the exit status."""
        reckoning = self.reckon()
        self.terminal.sum_up(
            reckoning,
            happened=self.happened,
            detected=self.detected,
            inbound=self.inbound,
            folder=self.folder,
        )
        return 1 if reckoning.missed or reckoning.invented or self.inbound.refused else 0


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def _free_port() -> int:
    """Find a port for the daemon, which binds its address itself, as the configuration says."""
    listener = web.bind(HOST, 0)
    try:
        return _port(listener)
    finally:
        listener.close()


def _keep_off_proxies() -> None:
    """Ask whoever reads this process' environment (Apprise's workers) for no proxy on loopback."""
    for name in ("no_proxy", "NO_PROXY"):
        named = [os.environ[name]] if os.environ.get(name) else []
        os.environ[name] = ",".join([*named, HOST, "localhost"])
