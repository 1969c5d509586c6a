"""Applying a changed configuration while everything runs.

Rules: all or nothing: a configuration that cannot be built is refused before anything stops, and the
old one stays in force. What did not change keeps running; what is pending stays pending.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import structlog

from watcher.config import Config, compare, needs_restart
from watcher.daemon import Daemon
from watcher.daemon.estimates import foreseeable_overloads
from watcher.daemon.plans import plan_receivers, plan_source
from watcher.errors import ConfigError, grouped

__all__ = ["Reloading"]

LOOK = 10.0
"""Seconds that a closer look at receivers may hold up the answer."""


class Reloading:
    """Applies configurations one at a time. `load` reads the present one and raises ConfigError."""

    def __init__(self, daemon: Daemon, load: Callable[[], Config]) -> None:
        self._daemon = daemon
        self._load = load
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
            with anyio.move_on_after(LOOK):
                result["warnings"] += grouped(await self._daemon.look_closer())
            changed = {part: words for part, words in result.items() if part != "warnings"}
            log.info("the configuration is taken up", **changed)
            for warning in result["warnings"]:
                log.warning("the configuration", problem=warning)
            return result

    async def _apply(self, config: Config) -> dict[str, Any]:
        daemon, old = self._daemon, self._daemon.config
        sources = compare(old.sources, config.sources)
        receivers = compare(old.receivers, config.receivers)
        rules = compare(old.rules, config.rules)
        transport = daemon.transport
        anew = {*sources.added, *sources.changed}
        new_sources = [
            plan_source(source, transport, index, len(config.sources))
            for index, source in enumerate(config.sources)
            if source.name in anew
        ]
        new_receivers = plan_receivers(
            [one for one in config.receivers if one.name in {*receivers.added, *receivers.changed}],
            transport,
            config.redactor.scrub,
        )
        # Nothing below fails because of the configuration: everything has been read.
        async with anyio.create_task_group() as tasks:
            for name in (*sources.removed, *sources.changed):
                tasks.start_soon(daemon.remove_source, name)
            for name in (*receivers.removed, *receivers.changed):
                tasks.start_soon(daemon.remove_receiver, name)
        daemon.take_up(config)
        for receiver in new_receivers:
            daemon.add_receiver(receiver)
        for source in new_sources:
            daemon.add_source(source)
        await daemon.retire_unconfigured()
        late = [
            f"`{key}` changed; that is taken up when the daemon starts again"
            for key in needs_restart(old, config)
        ]
        return {
            "sources": str(sources),
            "receivers": str(receivers),
            "rules": str(rules),
            "silences": str(compare(old.silences, config.silences)),
            "warnings": [*late, *grouped((*config.warnings, *foreseeable_overloads(config)))],
        }
