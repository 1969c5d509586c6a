"""What a scrape of a daemon says, for tests: by the name of a sample and its labels."""

from __future__ import annotations

import itertools

from watcher.daemon import Daemon

__all__ = ["Samples", "scraped"]


class Samples:
    """The samples of one scrape."""

    def __init__(self, found: dict[tuple[str, frozenset[tuple[str, str]]], float]) -> None:
        self._found = found

    def __len__(self) -> int:
        return len(self._found)

    def of(self, name: str, **labels: str) -> float | None:
        """Return the sample with exactly these labels."""
        return self._found.get((f"inbox_watcher_{name}", frozenset(labels.items())))

    def sum(self, name: str, **labels: str) -> float:
        """Return the sum of all samples of the name that have these labels."""
        return sum(
            value
            for (one, found), value in self._found.items()
            if one == f"inbox_watcher_{name}" and found >= labels.items()
        )

    def labels(self, name: str) -> list[dict[str, str]]:
        """Return the labels of all samples of the name."""
        return [dict(found) for one, found in self._found if one == f"inbox_watcher_{name}"]


async def scraped(daemon: Daemon, *, every: bool = False) -> Samples:
    """Return what a scrape says now, without a thread that renders it: there is no virtual time in one."""
    read = await daemon.scrape.read(every=every)
    families = itertools.chain(daemon.metrics.collect(), read)
    return Samples(
        {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in families
            for sample in family.samples
        }
    )
