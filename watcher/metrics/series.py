"""Series as Prometheus reads them: one name with a number, or a distribution, for each combination of labels.

Rules: a number is a number: whoever counts often finds it once and keeps it. Written by the event loop
alone; a thread may read meanwhile, and sees each number as it is at some moment.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Generic, Literal, TypeVar

from prometheus_client.metrics_core import Metric
from prometheus_client.utils import floatToGoString

__all__ = ["Distribution", "Kind", "Number", "Series", "gauges"]

Kind = Literal["counter", "gauge", "histogram"]


class Number:
    """One number of a series."""

    __slots__ = ("_function", "_value")

    def __init__(self) -> None:
        self._value = 0.0
        self._function: Callable[[], float] | None = None

    def inc(self, by: float = 1.0) -> None:
        """Add to it."""
        self._value += by

    def set(self, value: float) -> None:
        """Replace it."""
        self._value = float(value)

    def set_function(self, function: Callable[[], float]) -> None:
        """Have it computed whenever it is read."""
        self._function = function

    def read(self) -> float:
        """Return it."""
        return self._value if self._function is None else float(self._function())


class Distribution:
    """How many values were at most so large, for some bounds, and the sum of all."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def buckets(self) -> Iterator[tuple[str, float]]:
        """Yield each bound, as Prometheus writes it, with how many values were not beyond it."""
        below = 0
        # A copy: the loop goes on while a thread reads.
        for bound, count in zip((*self._bounds, float("inf")), [*self._counts], strict=True):
            below += count
            yield floatToGoString(bound), below  # type: ignore[no-untyped-call] # their own

    @property
    def sum(self) -> float:
        """The sum of all values."""
        return self._sum


T = TypeVar("T", Number, Distribution)


class Series(Generic[T]):
    """One name: what is counted under it, by its labels. The first label is that of what may be forgotten."""

    def __init__(
        self, kind: Kind, name: str, text: str, labels: tuple[str, ...], make: Callable[[], T]
    ) -> None:
        self.kind, self.name, self.text, self.names = kind, name, text, labels
        self._make: Callable[[], T] = make
        self._made: dict[tuple[str, ...], T] = {}

    def labels(self, *values: str) -> T:
        """Return what is counted under these labels."""
        one = self._made.get(values)
        if one is None:
            one = self._made[values] = self._make()
        return one

    def keep(self, first: Collection[str]) -> None:
        """Drop what is of other names than these."""
        for values in [*self._made]:
            if values[0] not in first:
                del self._made[values]

    def each(self) -> Iterator[tuple[tuple[str, ...], T]]:
        """Yield labels and what is counted under them."""
        yield from self._made.copy().items()

    def metric(self) -> Metric:
        """Return all of it as Prometheus reads it."""
        metric = Metric(self.name, self.text, self.kind)
        for values, one in self.each():
            labels = dict(zip(self.names, values, strict=True))
            if isinstance(one, Number):
                suffix = "_total" if self.kind == "counter" else ""
                metric.add_sample(self.name + suffix, labels, one.read())
                continue
            count = 0.0
            for bound, count in one.buckets():
                metric.add_sample(f"{self.name}_bucket", {**labels, "le": bound}, count)
            metric.add_sample(f"{self.name}_count", labels, count)
            metric.add_sample(f"{self.name}_sum", labels, one.sum)
        return metric


def gauges(
    name: str,
    text: str,
    labels: tuple[str, ...],
    values: Iterator[tuple[tuple[str, ...], float]],
    kind: Kind = "gauge",
) -> Metric:
    """Return a series of which nothing is kept between two times that it is read."""
    metric = Metric(name, text, kind)
    sample = f"{name}_total" if kind == "counter" else name
    for each, value in values:
        metric.add_sample(sample, dict(zip(labels, each, strict=True)), value)
    return metric
