"""Rate limits by the world's clock, and JSON answers: what every fake server needs.

Rules: no wall clock. Nothing here knows a provider.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime

from starlette.responses import Response

__all__ = ["FixedWindows", "SlidingWindow", "answer"]


def answer(
    body: object,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    media_type: str = "application/json",
) -> Response:
    """Return a JSON answer."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status, dict(headers or {}), media_type)


class SlidingWindow:
    """At most `limit` requests in any `seconds`, counted apart for each key."""

    def __init__(self, clock: Callable[[], datetime], limit: int, seconds: float) -> None:
        self.clock = clock
        self.limit = limit
        self.seconds = seconds
        self._times: dict[str, deque[float]] = {}

    def admit(self, key: str) -> bool:
        """Count a request; False when it is one too many (it then does not count)."""
        times = self._recent(key)
        if len(times) >= self.limit:
            return False
        times.append(self.clock().timestamp())
        return True

    def left(self, key: str) -> int:
        """Return how many more requests would be admitted now."""
        return self.limit - len(self._recent(key))

    def wait(self, key: str) -> float:
        """Return in how many seconds the next one is admitted."""
        times = self._recent(key)
        if len(times) < self.limit:
            return 0.0
        return max(0.0, times[0] + self.seconds - self.clock().timestamp())

    def _recent(self, key: str) -> deque[float]:
        times = self._times.setdefault(key, deque())
        oldest = self.clock().timestamp() - self.seconds
        while times and times[0] <= oldest:
            times.popleft()
        return times


class FixedWindows:
    """At most `limit` requests in each window of `seconds` since the epoch (rack-attack)."""

    def __init__(self, clock: Callable[[], datetime], limit: int, seconds: int) -> None:
        self.clock = clock
        self.limit = limit
        self.seconds = seconds
        self._counts: dict[str, tuple[int, int]] = {}

    def admit(self, key: str) -> bool:
        """Count a request; False when it is one too many."""
        bucket = int(self.clock().timestamp()) // self.seconds
        last, count = self._counts.get(key, (bucket, 0))
        count = count + 1 if last == bucket else 1
        self._counts[key] = (bucket, count)
        return count <= self.limit

    def left(self, key: str) -> int:
        """Return how many more requests the present window takes."""
        bucket = int(self.clock().timestamp()) // self.seconds
        last, count = self._counts.get(key, (bucket, 0))
        return self.limit - (count if last == bucket else 0)
