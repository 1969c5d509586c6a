"""The provider's clock is off by up to a day, with its own `Date`, a proxy's right one, or none: nothing of
theirs is measured by a clock of ours.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import SETTINGS, Harness
from watcher.records import EventQuery
from watcher.simulator import Account, Dated

PROVIDERS = ("leadping", "highlevel", "leadway", "chatwoot")
OFFS = (-86_400, -600, 600, 86_400)
DATES = ("none", "server", "proxy")


class Stage(Harness):
    """A harness whose services have a clock that is `off`, and a `Date` that is theirs, right or absent."""

    def __init__(self, folder: Path, off: float, date: str) -> None:
        super().__init__(folder)
        self.off, self.date = timedelta(seconds=off), date
        self.asked: list[str] = []

    def serve(self) -> dict[str, Any]:
        if self.date == "none":
            return super().serve()
        ahead = self.off if self.date == "server" else timedelta(0)
        return {
            host: app if "crm" in host else Dated(app, lambda: self.clock() + ahead)
            for host, app in super().serve().items()
        }

    def open(self, provider: str, conversations: int = 12) -> Account:
        kind: Any = "highlevel" if provider == "leadway" else provider
        account = self.world.open_account(
            kind, "1", conversations=conversations, clock_off=self.off.total_seconds()
        )
        self.watch_again(provider, "sales", account)
        return account

    def created(self) -> set[str]:
        return {body["subject"] for body in self.inbox.of("conversation.created")}


assert set(PROVIDERS) <= set(SETTINGS)


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("off", OFFS)
@pytest.mark.parametrize("date", DATES)
async def test_a_wrong_clock_changes_nothing_but_the_times(
    tmp_path: Path, provider: str, off: float, date: str
) -> None:
    harness = Stage(tmp_path, off, date)
    account = harness.open(provider)
    one, two, three, four, *_ = account.living()
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(7)
        new = harness.world.create(account, "Is anybody there?")
        harness.world.message(one, "I wrote before you looked again.")
        await anyio.sleep(40)
        harness.world.message(two, "And I a minute later.")
        harness.world.archive(three) if provider != "highlevel" else harness.world.assign(
            three, None
        )
        await anyio.sleep(1200)
        late = harness.world.create(account, "Much later.")
        harness.world.delete(four)
        await anyio.sleep(1800)
    assert {new.id, late.id} <= harness.created() or provider == "leadping"
    assert harness.got() == harness.expect()


@pytest.mark.parametrize("provider", ["highlevel", "chatwoot"])
@pytest.mark.parametrize("off", OFFS)
@pytest.mark.parametrize("date", DATES)
@pytest.mark.parametrize("conversations", [0, 12])
async def test_what_is_new_after_the_baseline_never_joins_silently(
    tmp_path: Path, provider: str, off: float, date: str, conversations: int
) -> None:
    harness = Stage(tmp_path, off, date)
    account = harness.open(provider, conversations)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(5)
        new = harness.world.create(account, "Is anybody there?")
        await anyio.sleep(700)
    assert harness.created() == {new.id}


@pytest.mark.parametrize("provider", ["highlevel", "chatwoot"])
@pytest.mark.parametrize("off", OFFS)
@pytest.mark.parametrize("date", DATES)
async def test_what_is_old_and_comes_into_sight_joins_silently_and_its_news_is_told(
    tmp_path: Path, provider: str, off: float, date: str
) -> None:
    harness = Stage(tmp_path, off, date)
    account = harness.open(provider)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(60)
        silent = harness.world.appear(account)
        telling = harness.world.appear(account, text="I am back.")
        await anyio.sleep(1200)
    assert not harness.created()
    told = {(body["subject"], body["type"]) for body in harness.inbox.conversations}
    assert {subject for subject, _ in told} == {telling.id}
    assert (telling.id, "conversation.message") in told
    assert silent.id not in {subject for subject, _ in told}


@pytest.mark.parametrize("off", OFFS)
@pytest.mark.parametrize("version", [(3, 16), (4, 15)], ids=str)
async def test_a_quiet_poll_of_chatwoot_is_one_request_by_any_clock(
    tmp_path: Path, off: float, version: Any
) -> None:
    harness = Stage(tmp_path, off, "none")
    account = harness.open("chatwoot")
    harness.world.install(account, version)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(120)
        server = harness.faults["chatwoot"]
        before = len(server.log)
        await anyio.sleep(120)
        asked = server.log[before:]
    assert 3 <= len(asked) <= 5
    assert all("updated_within" in one.params for one in asked)


@pytest.mark.parametrize("off", OFFS)
@pytest.mark.parametrize("provider", ["highlevel", "chatwoot"])
async def test_a_timer_runs_by_our_clock_from_our_observation(
    tmp_path: Path, provider: str, off: float
) -> None:
    """It fires neither at once nor a day late, and how long somebody waited is by their times alone."""
    harness = Stage(tmp_path, off, "none")
    account = harness.open(provider)
    harness.rules += (
        "\n- {name: slow, when: conversation.waiting, for: 20m, resolved: true, notify: crm}"
    )
    asked = next(one for one in account.living() if not one.state.archived)
    harness.world.message(asked, "All is well.", "outbound")
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(60)
        harness.world.message(asked, "Is anybody there?")
        began = harness.clock()
        await anyio.sleep(40 * 60)
        harness.world.message(asked, "Yes.", "outbound")
        await anyio.sleep(1200)
    fired = [
        (body["data"]["delivery"]["kind"], (at - began).total_seconds())
        for body, at in zip(harness.inbox.bodies, harness.inbox.times, strict=True)
        if body.get("subject") == asked.id and "delivery" in body["data"]
    ]
    assert [kind for kind, _ in fired] == ["for", "resolved"]
    assert 1200 <= fired[0][1] <= 1290
    (answered,) = harness.inbox.of("conversation.answered")[:1]
    assert answered["data"]["waited"] == pytest.approx(2400, abs=2)


@pytest.mark.parametrize("off", OFFS)
async def test_how_long_somebody_waited_whose_conversation_was_closed_silently(
    tmp_path: Path, off: float
) -> None:
    harness = Stage(tmp_path, off, "none")
    account = harness.open("chatwoot")
    asked = next(one for one in account.living() if not one.state.archived)
    harness.world.message(asked, "All is well.", "outbound")
    async with harness.running():
        await harness.baseline()
        harness.world.message(asked, "Is anybody there?")
        await anyio.sleep(3600)
        harness.world.archive(asked)
        await anyio.sleep(600)
        (shown,) = (await harness.daemon.sources())[0]
    (closed,) = harness.inbox.of("conversation.answered")
    assert closed["data"]["waited"] == pytest.approx(3600, abs=90)
    assert shown["skew"]["told_by"] == "server"
    assert shown["skew"]["seconds"] == pytest.approx(off, abs=5)


@pytest.mark.parametrize("off", OFFS)
async def test_old_records_go_by_our_clock(tmp_path: Path, off: float) -> None:
    harness = Stage(tmp_path, off, "server")
    harness.poll_every, harness.sweep_every = "6h", "24h"
    harness.rules += "\nretention: {events: 2d, deliveries: 2d}"
    harness.open("chatwoot", 3)
    async with harness.running():
        await harness.baseline()
        await anyio.sleep(42 * 3600)
        assert len(await harness.store.events(EventQuery())) == 1
        await anyio.sleep(12 * 3600)
        assert len(await harness.store.events(EventQuery())) == 0
