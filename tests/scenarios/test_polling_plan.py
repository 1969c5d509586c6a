"""The polling plan under what goes wrong in mid-walk: nothing lost, nothing invented.

Where only polls shall find something, sweeps are a day apart.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.scenarios.harness import PROVIDERS, Harness
from tests.scenarios.listings import edit, later_pages
from watcher.simulator import Fault, faults

# -- watermarks and overlaps


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_poll_that_breaks_off_moves_no_watermark(harness: Harness, provider: str) -> None:
    """What its later pages would have shown is shown by the next poll, also after a restart."""
    harness.poll_every, harness.sweep_every = "1m", "1d"
    account = harness.watch(provider, "sales", "1", conversations=130)
    if provider == "chatwoot":  # a server that knows no windows is polled page by page
        harness.world.install(account, (3, 5, 0))
    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(faults.status(500))
        for conversation in account.living():
            harness.world.message(conversation, "hello?", "outbound")
            await anyio.sleep(10)  # more than the overlap lies between the first and the last
        harness.faults[provider].clear()
        harness.faults[provider].plan(faults.status(500), later_pages(provider))
        await anyio.sleep(240)
        told = len({body["subject"] for body in harness.inbox.conversations})
        assert 0 < told < 130
    harness.faults[provider].clear()
    async with harness.running():
        await anyio.sleep(600)
    assert harness.got() == harness.expect()
    assert "source.held" not in harness.inbox.own


async def test_a_poll_that_went_past_a_failing_page_moves_no_watermark(harness: Harness) -> None:
    """Behind the page that failed nothing was new; in it there was."""
    harness.poll_every, harness.sweep_every = "10m", "1d"
    account = harness.watch("chatwoot", "sales", "1", conversations=60)
    async with harness.running():
        await harness.baseline()

        def first(seen: faults.Seen) -> bool:
            return "updated_within" in seen.params or seen.params.get("page") == "1"

        harness.faults["chatwoot"].plan(faults.status(500), first)
        for conversation in account.living()[:5]:
            harness.world.message(conversation, "hello?", "outbound")
            await anyio.sleep(600)
        assert harness.inbox.conversations == []
        assert any(seen.params.get("page") == "2" for seen in harness.faults["chatwoot"].log[-4:])
        harness.faults["chatwoot"].clear()
        await anyio.sleep(700)
    assert harness.got() == harness.expect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_poll_whose_rows_cannot_be_read_moves_no_watermark(
    harness: Harness, provider: str
) -> None:
    harness.poll_every, harness.sweep_every = "10m", "1d"
    account = harness.watch(provider, "sales", "1", conversations=10)
    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(edit(provider, lambda rows: [None, 5]))
        harness.world.message(account.living()[0], "hello?", "outbound")
        await anyio.sleep(700)
        assert harness.inbox.conversations == []
        harness.faults[provider].clear()
        await anyio.sleep(1300)
    assert harness.got() == harness.expect()


@pytest.mark.parametrize("read", ["all rows but one", "no row"])
async def test_a_sweep_that_lacked_a_row_moves_no_watermark_of_polls(
    harness: Harness, read: str
) -> None:
    """Polls fail, the sweep lacks the row that changed, and the next poll tells it."""
    harness.poll_every, harness.sweep_every = "10m", "15m"
    account = harness.watch("chatwoot", "sales", "1", conversations=10)
    async with harness.running():
        await harness.baseline()
        changed = account.living()[0]
        if read == "no row":
            nonsense = b'{"data": {"meta": {}, "payload": [null, 5]}}'
            harness.faults["chatwoot"].plan(Fault(alter=lambda body: nonsense))
        else:
            harness.faults["chatwoot"].plan(
                faults.status(503), lambda seen: "updated_within" in seen.params
            )
            harness.faults["chatwoot"].plan(faults.without(changed.id))
        harness.world.message(changed, "hello?", "outbound")
        await anyio.sleep(1000)
        assert harness.inbox.conversations == []
        harness.faults["chatwoot"].clear()
        harness.faults["chatwoot"].plan(
            faults.without(changed.id), lambda seen: "sort_by" in seen.params
        )
        await anyio.sleep(640)
    assert harness.got() == harness.expect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_the_list_shows_late_is_within_the_overlap(
    harness: Harness, provider: str
) -> None:
    """A row whose change comes late, when the watermark is beyond it already."""
    harness.poll_every, harness.sweep_every = "10s", "1d"
    account = harness.watch(provider, "sales", "1", conversations=20)
    async with harness.running():
        await harness.baseline()
        late, *others = account.living()[:6]
        for other in others:
            await anyio.sleep(300)
            harness.world.message(late, "at last", "outbound")
            until = harness.clock() + timedelta(seconds=45)
            harness.faults[provider].plan(
                faults.without(late.id), faults.between(harness.clock(), until)
            )
            await anyio.sleep(20)
            harness.world.message(other, "in between", "outbound")
        await anyio.sleep(300)
    told = [body["subject"] for body in harness.inbox.of("conversation.message")]
    assert told.count(late.id) == 5
    assert harness.got() == harness.expect()


# -- tokens


@pytest.mark.parametrize("always", [False, True], ids=["once a walk", "for hours"])
async def test_a_refused_continuation_token_begins_the_walk_again(
    harness: Harness, always: bool
) -> None:
    harness.poll_every, harness.sweep_every = "1m", "3m"
    account = harness.watch("leadping", "sales", "1", conversations=120)
    async with harness.running():
        await harness.baseline()
        refused: set[int] = set()

        def sometimes(seen: Any) -> bool:
            """Refuse one later page of each quarter of an hour."""
            quarter = int(seen.at.timestamp()) // 900
            if not later_pages("leadping")(seen) or (quarter in refused and not always):
                return False
            refused.add(quarter)
            return True

        harness.faults["leadping"].plan(faults.status(400), sometimes)
        harness.world.delete(account.living()[7])
        harness.world.message(account.living()[3], "hello?")
        await anyio.sleep(3600)
        if always:
            assert harness.inbox.of("conversation.removed") == []
            assert harness.inbox.own == ["source.baselined", "source.failing"]
            harness.faults["leadping"].clear()
            await anyio.sleep(1800)
    assert harness.got() == harness.expect()
    if not always:
        assert harness.inbox.own == ["source.baselined"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_token_that_expires_in_mid_walk_is_read_again(
    harness: Harness, provider: str, tmp_path: Path
) -> None:
    """Something else renews the file; the walk goes on, and nobody is told."""
    harness.poll_every, harness.sweep_every = "1m", "3m"
    account = harness.watch(provider, "sales", "1", conversations=130)
    file = tmp_path / "token"
    file.write_text(account.token)
    named = account.token
    harness.restart_with()
    account.token = f"${{file:{file}}}"
    harness.watch_again(provider, "sales", account)
    expired = []

    def expire(seen: Any) -> bool:
        """Every now and then another token is the right one when a later page is asked for."""
        if later_pages(provider)(seen) and len(expired) < seen.number // 20:
            viewer = account.tokens.pop(account.token, account.viewer)
            account.token = f"{named}-{len(expired)}"
            account.tokens[account.token] = viewer
            file.write_text(account.token)
            expired.append(seen.number)
        return False

    account.token = named
    async with harness.running():
        await harness.baseline()
        harness.faults[provider].plan(faults.status(500), expire)
        for conversation in account.living()[:5]:
            harness.world.message(conversation, "still there?")
            await anyio.sleep(600)
    assert len(expired) > 3
    assert harness.got() == harness.expect()
    assert harness.inbox.own == ["source.baselined"]
