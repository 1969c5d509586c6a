"""The demonstration: simulated providers, the real watcher, a real receiver, all on loopback.

Rules: a composition root. It runs what `inbox-watcher run` runs, with a configuration from a file;
only the providers and the receiver are stand-ins.
"""

from __future__ import annotations

import contextlib
import functools
import math
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import anyio
from starlette.types import ASGIApp

from watcher import logs, web
from watcher.clock import wall_clock
from watcher.config.load import load
from watcher.config.model import Config
from watcher.daemon import serving
from watcher.demo.receiver import Inbound
from watcher.demo.scenes import Scene, open_scenes, write_configuration
from watcher.demo.scorecard import Change, Scorecard, score
from watcher.demo.terminal import Terminal
from watcher.records import Recorded

__all__ = ["run_demo"]

HOST = "127.0.0.1"

PACE = 1.0
"""Seconds between two changes. The scenes take turns, so that each scene pauses for longer than its
sweep interval: each change is seen before the next one overwrites it.
"""

SETTLING = 4.0
"""Seconds without changes before the end, so that everything can arrive."""


def run_demo(
    duration: timedelta | None,
    *,
    keep: bool = False,
    level: str = "warning",
    form: str | None = None,
) -> int:
    """Run until `duration` has passed, or until Ctrl-C; return the exit status.

    Status 1: a change is missing that should have arrived. With `keep`, the folder with configuration
    and database stays. `level` and `form` are those of the log. Raise StoreError and OSError like
    `watcher.daemon.serving.run`.
    """
    _keep_off_proxies()
    configure = functools.partial(logs.configure, level=level, form=form)
    folder = Path(tempfile.mkdtemp(prefix="inbox-watcher-demo-"))
    try:
        terminal = Terminal(wall_clock)
        demonstration = Demonstration(terminal, duration, folder, configure, keep=keep)
        with contextlib.suppress(KeyboardInterrupt):  # before the daemon listens for it, or after
            anyio.run(demonstration.run)
        return demonstration.end()
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


class Demonstration:
    """One run: what happened in the scenes, what was detected, and what arrived."""

    def __init__(
        self,
        terminal: Terminal,
        duration: timedelta | None,
        folder: Path,
        configure_log: Callable[..., None],
        *,
        keep: bool,
    ) -> None:
        self.folder = folder
        self.configure_log = configure_log
        self.keep = keep
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
        self.configure_log(scrub=config.redactor.scrub)
        self.terminal.introduce(self.scenes, ports, rules, str(config.store), health)
        async with anyio.create_task_group() as servers:
            for app, listener in zip((*apps, self.inbound.app), listeners, strict=True):
                servers.start_soon(web.serve, app, listener)
            await self._watch(config, deadline)
            servers.cancel_scope.cancel()

    async def _watch(self, config: Config, deadline: float) -> None:
        """Run the daemon until a signal or the end of the demonstration stops it."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._play, deadline, tasks.cancel_scope)
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

    async def _play(self, deadline: float, scope: anyio.CancelScope) -> None:
        """Make changes, one scene after the other; stop in time for all of them to arrive."""
        last_change = max(deadline - SETTLING, anyio.current_time() + self.seconds / 2)
        with anyio.CancelScope(deadline=last_change):
            await self._watching.wait()
            while True:
                for scene in self.scenes:
                    text = scene.step()
                    self.happened += 1
                    self.terminal.happens(scene, text)
                    await anyio.sleep(PACE)
        await anyio.sleep(deadline - anyio.current_time())
        scope.cancel()

    def score(self) -> Scorecard:
        """Compare what happened with what has arrived so far."""
        changes = [Change(scene.name, entry) for scene in self.scenes for entry in scene.changes]
        return score(changes, self.inbound.arrivals, wall_clock())

    def end(self) -> int:
        """Print the summary; return the exit status."""
        scorecard = self.score()
        self.terminal.sum_up(
            scorecard,
            happened=self.happened,
            detected=self.detected,
            inbound=self.inbound,
            kept=self.folder if self.keep else None,
        )
        return 1 if scorecard.missed or scorecard.invented or self.inbound.refused else 0


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def _free_port() -> int:
    """Return a free port for the daemon, which binds its address itself."""
    listener = web.bind(HOST, 0)
    try:
        return _port(listener)
    finally:
        listener.close()


def _keep_off_proxies() -> None:
    """Exempt loopback from proxies, for processes that inherit this environment (Apprise's workers)."""
    for name in ("no_proxy", "NO_PROXY"):
        named = [os.environ[name]] if os.environ.get(name) else []
        os.environ[name] = ",".join([*named, HOST, "localhost"])
