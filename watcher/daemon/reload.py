"""Applying a changed configuration while everything runs.

Rules: all or nothing: a configuration that cannot be built is refused before anything stops, and the
old one stays in force. What did not change keeps running; what is pending stays pending.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import structlog

from watcher.config.compare import compare, needs_restart
from watcher.config.model import Config
from watcher.daemon import Daemon
from watcher.daemon.estimates import foreseeable_overloads
from watcher.daemon.plans import plan_receivers, plan_source
from watcher.daemon.slices import in_slices
from watcher.errors import ConfigError, grouped

__all__ = ["Reloading"]

PLANNED = 50
"""Sources that are built, started or ended in one turn of the loop: each takes a fifth of a millisecond."""

LOOK = 10.0
"""Seconds that a closer look at receivers may hold up the answer."""


class Reloading:
    """Applies configurations one at a time. `load` reads the present one and raises ConfigError; `applied`
    is called when another one is in force.
    """

    def __init__(
        self,
        daemon: Daemon,
        load: Callable[[], Config],
        applied: Callable[[], None] = lambda: None,
    ) -> None:
        self._daemon = daemon
        self._load = load
        self._applied = applied
        self._one_at_a_time = anyio.Lock()

    async def reload(self) -> dict[str, Any]:
        """Read the configuration and apply it.

        Return, as plain JSON, `problems` (one line each) if it was refused, otherwise what changed
        in `sources`, `receivers`, `rules` and `silences` as text, and `warnings`.
        """
        async with self._one_at_a_time:
            log = structlog.get_logger()
            try:
                config = await anyio.to_thread.run_sync(self._load)
                result = await self._apply(config)
            except (ConfigError, OSError) as refused:
                problems = (
                    [*grouped(refused.problems)]
                    if isinstance(refused, ConfigError)
                    else [f"{refused}"]
                )
                self._daemon.refuse(problems)
                self._daemon.metrics.reloads.labels("refused").inc()
                for problem in problems:
                    log.error("the new configuration is refused; the old goes on", problem=problem)
                return {"problems": problems}
            self._daemon.metrics.reloads.labels("done").inc()
            self._applied()
            with anyio.move_on_after(LOOK):
                result["warnings"] += grouped(await self._daemon.look_closer())
            changed = {part: words for part, words in result.items() if part != "warnings"}
            log.info("the configuration is taken up", **changed)
            for warning in result["warnings"]:
                log.warning("the configuration", problem=warning)
            return result

    async def _apply(self, config: Config) -> dict[str, Any]:
        daemon, old = self._daemon, self._daemon.config
        # In a thread: to compare thousands of sources takes a while.
        sources = await anyio.to_thread.run_sync(compare, old.sources, config.sources)
        receivers = compare(old.receivers, config.receivers)
        rules = compare(old.rules, config.rules)
        transport = daemon.transport
        anew = {*sources.added, *sources.changed}
        new_sources = [
            plan_source(source, transport, index, len(config.sources))
            async for index, source in in_slices(enumerate(config.sources), PLANNED)
            if source.name in anew
        ]
        new_receivers = plan_receivers(
            [one for one in config.receivers if one.name in {*receivers.added, *receivers.changed}],
            transport,
            config.redactor.scrub,
        )
        # Nothing below fails because of the configuration: everything has been read.
        async with anyio.create_task_group() as tasks:
            async for name in in_slices((*sources.removed, *sources.changed), PLANNED):
                tasks.start_soon(daemon.remove_source, name)
            for name in (*receivers.removed, *receivers.changed):
                tasks.start_soon(daemon.remove_receiver, name)
        daemon.take_up(config)
        for receiver in new_receivers:
            daemon.add_receiver(receiver)
        async for source in in_slices(new_sources, PLANNED):
            daemon.add_source(source)
        await daemon.retire_unconfigured()
        overloads = await anyio.to_thread.run_sync(foreseeable_overloads, config)
        late = [
            f"`{key}` changed; that is taken up when the daemon starts again"
            for key in needs_restart(old, config)
        ]
        return {
            "sources": str(sources),
            "receivers": str(receivers),
            "rules": str(rules),
            "silences": str(compare(old.silences, config.silences)),
            "warnings": [*late, *grouped((*config.warnings, *overloads))],
        }
