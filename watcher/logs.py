"""Structured logging: one line an occurrence, transitions rather than repetitions.

While a daemon runs (`bounded`), what happens alike to many sources is told of the first few and counted.

Rules: no line ever carries a secret (every text passes the scrubber), and none a message's text.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, TextIO, cast

from watcher.json_text import json_line
from watcher.without import without

with without("rich"):  # for tracebacks in colours: 3 MB in every daemon
    import structlog

__all__ = ["bounded", "configure", "get_logger", "rarely", "tell_rest"]

get_logger = structlog.get_logger

RARELY = 60.0
"""Seconds between two lines of what may happen thousands of times."""


TOLD = 10
"""Lines of one kind about sources until the rest is told."""

KINDS = 200
"""Kinds of lines, by level, event and reason, that are counted apart."""


class _Steady:
    """A stream whose failures are ignored: a log on a full disk, a pipe without a reader."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def _in_order(_logger: Any, _name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Put first what every line has."""
    first = {key: line.pop(key) for key in ("timestamp", "event", "level") if key in line}
    return {**first, **line}


def _serialized(line: Any, **options: Any) -> str:
    return json_line(line, separators=(", ", ": "), **options)


class _Alike:
    """Lets the first lines of each kind about sources pass, and counts the rest; debugging needs them all."""

    def __init__(self) -> None:
        self.bounded = False
        self._seen: Counter[tuple[str, str, str]] = Counter()

    def __call__(
        self, _logger: Any, level: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if not self.bounded or "source" not in line or level == "debug":
            return line
        kind = level, str(line["event"]), str(line.get("reason", ""))
        if kind not in self._seen and len(self._seen) >= KINDS:
            kind = level, str(line["event"]), ""
        self._seen[kind] += 1
        if self._seen[kind] > TOLD:
            raise structlog.DropEvent
        return line

    def tell_rest(self) -> None:
        seen, self._seen = self._seen, Counter()
        for (level, event, reason), lines in seen.items():
            if lines > TOLD:
                why = {"reason": reason} if reason else {}
                more = {"more": lines - TOLD, **why}
                structlog.get_logger().log(LEVELS.get(level, LEVELS["error"]), event, **more)


_alike = _Alike()


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Bound, as long as the block lasts, what is told of many sources alike; whoever enters it has the rest
    told now and then (`tell_rest`).
    """
    _alike.bounded = True
    try:
        yield
    finally:
        _alike.bounded = False
        _alike.tell_rest()


def tell_rest() -> None:
    """Write how many `more` lines of each kind were left out since the last time."""
    _alike.tell_rest()


def configure(
    *,
    level: str = "info",
    scrub: Callable[[str], str] = lambda text: text,
    form: str | None = None,
) -> None:
    """Send log lines to stderr, as `text` for people or as `json` Lines with time and event first; by
    default the former on a terminal and the latter elsewhere.

    `scrub` replaces every known secret in a text.
    """
    terminal = sys.stderr.isatty()
    text = form == "text" if form else terminal

    def scrub_texts(
        _logger: Any, _name: str, line: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        for key, value in line.items():
            if key in ("level", "timestamp"):
                continue
            if isinstance(value, str):
                line[key] = scrub(value)
            elif value is not None and not isinstance(value, (bool, int, float)):
                line[key] = scrub(str(value))
        return line

    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=terminal, pad_event_to=0)
        if text
        else structlog.processors.JSONRenderer(serializer=_serialized)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _alike,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            scrub_texts,
            _in_order,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Steady(sys.stderr))),
        cache_logger_on_first_use=False,
    )
    # Libraries speak only when something is wrong; httpx would log whole URLs at INFO.
    logging.basicConfig(level=logging.ERROR, stream=sys.stderr, format="%(name)s: %(message)s")
    for name in ("httpx", "httpcore", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL if name == "httpx" else logging.ERROR)


_last: dict[tuple[str, ...], tuple[float, int]] = {}
"""When a line was last written, and how often it was left out since."""


def rarely(write: Callable[..., Any], event: str, **more: Any) -> None:
    """Write a line unless the same one was written within the last minute; the next one says in `times` how
    often it happened.
    """
    key, now = (event, *map(str, more.values())), time.monotonic()
    before, omitted = _last.get(key, (-RARELY, 0))
    if now - before < RARELY:
        _last[key] = (before, omitted + 1)
        return
    _last[key] = (now, 0)
    write(event, **more, **({"times": omitted + 1} if omitted else {}))
