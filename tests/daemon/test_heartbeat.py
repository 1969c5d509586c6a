"""The heartbeat: what it says by how the daemon is, and that it is bounded and never in the way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from tests.support.loopback import Served, answer, serving
from watcher.addresses import AddressFilter
from watcher.clock import wall_clock
from watcher.config.load import inspect_files
from watcher.daemon.heartbeat import HeartbeatLoop, Pulse, failed
from watcher.metrics import Metrics
from watcher.secrets import SecretText
from watcher.settings.heartbeat import Heartbeat
from watcher.transport import Transport
from watcher.web import Freshness

FRESH = Freshness("a", attempted=True, stale=False, lag=1.0)
STALE = Freshness("b", attempted=True, stale=True, lag=900.0)
NEW = Freshness("c", attempted=False, stale=True, lag=1.0)
FAILS: dict[str, Any] = {"reason": "the disk is full", "lost": False}
GONE: dict[str, Any] = {"reason": "the store is gone", "lost": True}
STUCK: dict[str, Any] = {"what": "poller sales"}


@pytest.mark.parametrize(
    ("looks", "store", "stuck", "ready", "alive"),
    [
        ([FRESH], None, [], ("well", ""), ("well", "")),
        ([FRESH, STALE], None, [], ("well", ""), ("well", "")),
        ([STALE, STALE], None, [], ("unwell", "none of 2 sources is read"), ("well", "")),
        ([FRESH, NEW], None, [], ("starting", ""), ("well", "")),
        ([FRESH], FAILS, [], ("unwell", "the store fails"), ("well", "")),
        ([FRESH], GONE, [], ("unwell", "the store is gone"), ("unwell", "the store is gone")),
        (
            [FRESH],
            None,
            [STUCK],
            ("unwell", "1 loops do not move"),
            ("unwell", "1 loops do not move"),
        ),
    ],
)
async def test_how_the_daemon_is(
    looks: Any, store: Any, stuck: Any, ready: tuple[str, str], alive: tuple[str, str]
) -> None:
    pulse = Pulse(lambda: looks, lambda: store, lambda: stuck)
    assert await pulse.take("ready") == ready
    assert await pulse.take("alive") == alive


@asynccontextmanager
async def beating(
    served: Served, metrics: Metrics, *, deny: tuple[str, ...] = (), **changed: Any
) -> AsyncIterator[Callable[[Heartbeat | None], None]]:
    """Have a heartbeat go to a server; yields what changes its settings."""
    pulse = Pulse(lambda: [FRESH], lambda: None, list)
    url = SecretText.literal(f"{served.url}/secret/ping")
    settings: list[Heartbeat | None] = [Heartbeat(url=url, every="1s", **changed)]
    async with (
        Transport(wall_clock, addresses=AddressFilter(deny)) as transport,
        anyio.create_task_group() as tasks,
    ):
        loop = HeartbeatLoop(lambda: settings[0], pulse, transport, wall_clock, metrics.heartbeat)

        def change(other: Heartbeat | None) -> None:
            settings[0] = other
            loop.look_again()

        tasks.start_soon(loop.run)
        yield change
        tasks.cancel_scope.cancel()


def beat_of(metrics: Metrics) -> float:
    value = metrics.registry.get_sample_value(
        "inbox_watcher_heartbeat_last_success_timestamp_seconds"
    )
    assert value is not None
    return value


async def test_it_is_a_get_whose_answer_counts() -> None:
    metrics = Metrics()
    async with serving(answer(b"OK")) as served, beating(served, metrics):
        await served.wait(lambda: len(served.requests) >= 2)
    assert served.requests[0].startswith(b"GET /secret/ping HTTP/1.1\r\n")
    assert wall_clock().timestamp() - beat_of(metrics) < 60


async def test_an_answer_that_is_no_yes_is_logged_once_without_the_address() -> None:
    metrics = Metrics()
    no = answer(b"/secret/ping is unknown", status="404 Not Found")
    with capture_logs() as logs:
        async with serving(no) as served, beating(served, metrics):
            await served.wait(lambda: len(served.requests) >= 3)
    assert [one["event"] for one in logs] == ["the heartbeat is not taken"]
    assert logs[0]["reason"] == "HTTP 404"
    assert "secret" not in str(logs)
    assert beat_of(metrics) == 0
    assert "secret" not in generate_latest(metrics.registry).decode()


async def test_who_takes_it_and_never_answers_holds_up_one_interval() -> None:
    async def nothing(_served: Served, _writer: Any) -> None:
        await anyio.sleep_forever()

    with capture_logs() as logs:
        async with serving(nothing) as served, beating(served, Metrics()):
            await served.wait(lambda: len(served.requests) >= 2)
    assert len(logs) == 1


async def test_addresses_that_are_denied_are_not_connected_to() -> None:
    with capture_logs() as logs:
        async with serving(answer()) as served, beating(served, Metrics(), deny=("loopback",)):
            with anyio.fail_after(5):
                while not logs:  # noqa: ASYNC110 - the log has no event to wait for
                    await anyio.sleep(0.01)
    assert served.connections == 0
    assert logs[0]["reason"].startswith("`network.deny` forbids connections")


async def test_a_changed_configuration_is_taken_up_at_once() -> None:
    async with (
        serving(answer()) as first,
        serving(answer()) as second,
        beating(first, Metrics()) as change,
    ):
        await first.wait(lambda: first.requests)
        change(Heartbeat(url=SecretText.literal(f"{second.url}/other"), every="1h"))
        await second.wait(lambda: second.requests)
        change(None)
        seen = len(first.requests)
        await anyio.sleep(1.2)  # longer than the former interval
        assert (len(first.requests), len(second.requests)) == (seen, 1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hc-ping.com/uuid", "https://hc-ping.com/uuid/fail"),
        ("https://hc-ping.com/uuid/", "https://hc-ping.com/uuid/fail"),
        ("https://push.example/api?token=a", "https://push.example/api/fail?token=a"),
        ("http://h", "http://h/fail"),
    ],
)
def test_where_failures_go(url: str, expected: str) -> None:
    assert failed(url) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("heartbeat: https://hc-ping.com/uuid", "`heartbeat` must be a mapping"),
        ("heartbeat: {every: 1m}", "`url`"),
        ("heartbeat: {url: ftp://x/y}", "is not an http:// or https:// URL"),
        ("heartbeat: {url: 'https://x/y', every: 10ms}", "`every`"),
        ("heartbeat: {url: 'https://x/y', when: always}", "`when`"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Any, text: str, told: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"store: {tmp_path}/a.db\n{text}\n")
    problems = [one for one in inspect_files([file], environ={}).problems if one.line == 2]
    assert len(problems) == 1
    assert told in str(problems[0])
