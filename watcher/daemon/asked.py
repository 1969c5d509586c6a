"""What of a configuration answers questions: for commands, the API and pages.

Rules: pure; values in, values out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from watcher.config.model import Config
from watcher.explain.question import Configured, Watched
from watcher.mapping import targets

__all__ = ["configured"]


def configured(config: Config) -> Configured:
    """Return what of a configuration decides who is told."""
    return Configured(
        rules=config.rules,
        silences=config.silences,
        receivers=tuple(one.name for one in config.receivers),
        sources={
            one.name: Watched(
                one.provider,
                one.provider_class.coverage.never - targets(one.mapping),
                one.poll_every,
                one.sweep_every,
            )
            for one in config.sources
        },
        timezone=config.timezone,
        events_kept=config.retention.events,
        places=dict(_places(config)),
    )


def _places(config: Config) -> Iterator[tuple[tuple[Literal["rule", "silence"], str], str]]:
    for name, place in config.places.listed("rules").items():
        yield ("rule", name), f"{place.file}:{place.line}"
    for name, place in config.places.listed("silences").items():
        yield ("silence", name), f"{place.file}:{place.line}"
