"""A Chatwoot that is upgraded or downgraded under the watcher: real changes alone are told, none is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import anyio
import pytest

from tests.scenarios.harness import Harness
from watcher.simulator import chatwoot, faults
from watcher.simulator.faults import Seen

OLDEST, MIDDLE, NEWEST = (2, 16, 0), (3, 16, 0), (4, 15, 1)
CLASSES = [OLDEST, (2, 18, 0), (3, 5, 0), MIDDLE, (4, 0, 2), NEWEST]


def polls(harness: Harness, since: datetime) -> list[Seen]:
    """The requests that polls made, none of a sweep's."""
    listed = [seen for seen in harness.faults["chatwoot"].log if seen.at >= since]
    return [
        seen
        for seen in listed
        if "updated_within" in seen.params or seen.params.get("sort_by") == "last_activity_at_desc"
    ]


def windowed(seen: list[Seen]) -> bool:
    return all("updated_within" in one.params for one in seen)


@pytest.mark.parametrize("version", CLASSES)
async def test_a_quiet_poll_is_one_request(harness: Harness, version: tuple[int, int, int]) -> None:
    harness.poll_every, harness.sweep_every = "30s", "1d"
    account = harness.watch("chatwoot", "sales", "1", conversations=300)
    harness.world.install(account, version)
    async with harness.running() as daemon:
        await harness.baseline()
        await anyio.sleep(120)
        since, before = harness.clock(), made(daemon)
        await anyio.sleep(1800)
        assert made(daemon) - before == 60
        assert len(polls(harness, since)) == 60
    assert harness.inbox.own == ["source.baselined"]
    assert harness.inbox.conversations == []


def made(daemon: object) -> int:
    labels = {"provider": "chatwoot", "outcome": "ok"}
    registry = daemon.metrics.registry  # type: ignore[attr-defined]
    return int(registry.get_sample_value("inbox_watcher_polls_total", labels) or 0)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (OLDEST, NEWEST), (NEWEST, OLDEST), (OLDEST, MIDDLE), (MIDDLE, OLDEST), (MIDDLE, NEWEST),
        (NEWEST, (3, 5, 0)), ((3, 5, 0), MIDDLE),
    ],
)  # fmt: skip
async def test_another_version_under_the_watcher_is_no_change_and_hides_none(
    harness: Harness, first: tuple[int, int, int], then: tuple[int, int, int]
) -> None:
    """The better plan is taken within a sweep; windows that are ignored are noticed by the very poll."""
    harness.poll_every, harness.sweep_every = "30s", "15m"
    account = harness.watch("chatwoot", "sales", "1", conversations=90)
    harness.world.install(account, first)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(125)
        assert windowed(polls(harness, harness.clock() - timedelta(seconds=60))) == (
            first >= (3, 6, 0)
        )
        harness.world.install(account, then)
        await anyio.sleep(1)
        # More than a page of changes, before anything has looked at the other version.
        for conversation in account.living()[:40]:
            harness.world.message(conversation, f"words for {conversation.id}", "outbound")
        await anyio.sleep(34)
        told = {body["subject"] for body in harness.inbox.of("conversation.message")}
        assert len(told) == 40, "the poll that met the other version has read them all"
        for conversation in account.living()[:9]:
            harness.world.message(conversation, "and more")
            await anyio.sleep(100)
        await anyio.sleep(1000)
        assert windowed(polls(harness, harness.clock() - timedelta(seconds=60))) == (
            then >= (3, 6, 0)
        )
    assert harness.got() == harness.expect()
    assert set(harness.inbox.own) == {"source.baselined"}


# -- what becomes visible late

Trouble = Callable[[Harness], None]


def nothing(harness: Harness) -> None:
    """Let all go well."""


def refused(harness: Harness) -> None:
    """Refuse three requests for now."""
    now = harness.clock()
    for second in (40, 80, 120):
        start = now + timedelta(seconds=second)
        harness.faults["chatwoot"].plan(
            faults.status(429), faults.between(start, start + timedelta(seconds=15))
        )


def broken(harness: Harness) -> None:
    """Answer nothing for two minutes."""
    now = harness.clock()
    harness.faults["chatwoot"].plan(
        faults.status(503), faults.between(now, now + timedelta(minutes=2))
    )


@pytest.mark.parametrize("version", [OLDEST, MIDDLE, NEWEST])
@pytest.mark.parametrize("trouble", [nothing, refused, broken])
@pytest.mark.parametrize("every", ["10s", "30s"])
async def test_a_change_that_is_committed_late_is_told_by_polls_alone(
    harness: Harness, version: tuple[int, int, int], trouble: Trouble, every: str
) -> None:
    """It becomes visible up to 45 s after its own stamps, when the watermark is beyond them."""
    harness.poll_every, harness.sweep_every = every, "1d"
    account = harness.watch("chatwoot", "sales", "1", conversations=60)
    harness.world.install(account, version)
    harness.options["chatwoot"] = chatwoot.Options(commit_lag=45)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(60)
        trouble(harness)
        written: dict[str, datetime] = {}
        for conversation in account.living()[:30]:
            harness.world.message(conversation, "at last", "outbound")
            written[conversation.id] = harness.clock()
            await anyio.sleep(17)
        await anyio.sleep(500)
    assert harness.got() == harness.expect()
    for body, at in zip(harness.inbox.bodies, harness.inbox.times, strict=True):
        if (subject := body.get("subject")) is not None:
            assert at - written[subject] <= timedelta(minutes=6)
