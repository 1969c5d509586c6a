"""The log of a daemon with ten thousand sources: what is alike is told of the first few, and counted."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from watcher import logs

SOURCES = 10_000


@pytest.fixture
def stderr(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """Log as a daemon does, in JSON Lines."""
    before, written = structlog.get_config(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure(level="debug", form="json")
    yield written
    structlog.configure(**before)


def lines(stderr: io.StringIO) -> list[dict[str, Any]]:
    """Return what was written since the last time."""
    told = [json.loads(line) for line in stderr.getvalue().splitlines()]
    stderr.seek(0)
    stderr.truncate()
    return told


def tell(event: str, level: str = "info", **more: Any) -> None:
    for number in range(SOURCES):
        getattr(structlog.get_logger().bind(source=f"loc-{number}"), level)(event, **more)


def test_a_line_of_each_source_is_ten_lines_and_a_count(stderr: io.StringIO) -> None:
    with logs.bounded():
        tell("baseline done", conversations=25)
        tell("the source fails", "error", reason="the token is refused", remedy="renew it")
        structlog.get_logger().bind(source="other").error("the source fails", reason="no answer")
        told = lines(stderr)
        assert len(told) == 21
        assert [one["source"] for one in told[:3]] == ["loc-0", "loc-1", "loc-2"]
        assert told[-1]["reason"] == "no answer"  # something else is told, however late it comes
        logs.tell_rest()
        rest = lines(stderr)
    assert [(one["level"], one["event"], one["more"], one.get("reason")) for one in rest] == [
        ("info", "baseline done", 9_990, None),
        ("error", "the source fails", 9_990, "the token is refused"),
    ]


def test_the_next_interval_tells_the_first_again(stderr: io.StringIO) -> None:
    with logs.bounded():
        tell("a trouble is over")
        logs.tell_rest()
        structlog.get_logger().info("a trouble is over", source="loc-5")
        assert lines(stderr)[-1]["source"] == "loc-5"
        logs.tell_rest()
        assert lines(stderr) == []


def test_a_daemon_that_ends_tells_the_rest(stderr: io.StringIO) -> None:
    with logs.bounded():
        tell("baseline done")
    assert lines(stderr)[-1]["more"] == 9_990


def test_reasons_that_differ_for_each_source_are_bounded(
    stderr: io.StringIO,
) -> None:
    log = structlog.get_logger()
    with logs.bounded():
        for number in range(SOURCES):
            log.error("the source fails", source=f"loc-{number}", reason=f"port {number} is closed")
    told = lines(stderr)
    assert len(told) <= logs.KINDS + logs.TOLD + 1
    assert told[-1]["more"] == SOURCES - logs.KINDS - logs.TOLD


def test_what_is_no_source_s_and_debugging_is_told_in_full(
    stderr: io.StringIO,
) -> None:
    with logs.bounded():
        for _ in range(50):
            structlog.get_logger().info("reloaded")
            structlog.get_logger().debug("an attempt failed", source="sales")
    assert len(lines(stderr)) == 100


def test_commands_tell_all(stderr: io.StringIO) -> None:
    tell("a source is odd", "warning")
    assert len(lines(stderr)) == SOURCES
