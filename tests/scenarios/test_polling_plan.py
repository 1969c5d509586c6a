"""The polling plan under what goes wrong in mid-walk: nothing lost, nothing invented.

Where only polls shall find something, sweeps are a day apart.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import anyio
import pytest
from stage import Stage

from watcher.simulator import Fault, chatwoot, faults, leadconnector, lively

PROVIDERS = ("leadping", "highlevel", "chatwoot")
ROWS = {"leadping": "items", "highlevel": "conversations", "chatwoot": "payload"}


def own(stage: Stage) -> list[str]:
    """The types of events about the watcher itself, as the receiver got them."""
    kinds = [body["type"] for body in stage.inbox.bodies]
    return [kind for kind in kinds if not kind.startswith("conversation.")]


def edit(provider: str, change: Callable[[list[Any]], list[Any]]) -> Fault:
    """Change the rows of every listing."""

    def alter(body: bytes) -> bytes:
        whole = json.loads(body)
        holder = whole.get("data", whole)
        if isinstance(holder, dict) and isinstance(holder.get(ROWS[provider]), list):
            holder[ROWS[provider]] = change(holder[ROWS[provider]])
        return json.dumps(whole).encode()

    return Fault(alter=alter)


def later_pages(provider: str) -> Callable[[Any], bool]:
    """Match requests for a page after the first."""
    return {
        "leadping": lambda seen: bool((seen.json or {}).get("continuationToken")),
        "highlevel": lambda seen: "startAfterDate" in seen.params,
        "chatwoot": lambda seen: int(seen.params.get("page", "1")) > 1,
    }[provider]


# -- watermarks and overlaps


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_poll_that_breaks_off_moves_no_watermark(stage: Stage, provider: str) -> None:
    """What its later pages would have shown is shown by the next poll, also after a restart."""
    stage.poll_every, stage.sweep_every = "1m", "1d"
    if provider == "chatwoot":  # a server that knows no windows is polled page by page
        stage.options[provider] = chatwoot.Options(version=(3, 5, 0))
    account = stage.watch(provider, "sales", "1", conversations=130)
    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(faults.status(500))
        for conversation in account.living():
            stage.world.message(conversation, "hello?", "outbound")
            await anyio.sleep(10)  # more than the overlap lies between the first and the last
        stage.faults[provider].clear()
        stage.faults[provider].plan(faults.status(500), later_pages(provider))
        await anyio.sleep(240)
        told = len({body["subject"] for body in stage.inbox.conversations})
        assert 0 < told < 130
    stage.faults[provider].clear()
    async with stage.running():
        await anyio.sleep(600)
    assert stage.got() == stage.expect()
    assert "source.held" not in own(stage)


async def test_a_poll_that_went_past_a_failing_page_moves_no_watermark(stage: Stage) -> None:
    """Behind the page that failed nothing was new; in it there was."""
    stage.poll_every, stage.sweep_every = "10m", "1d"
    account = stage.watch("chatwoot", "sales", "1", conversations=60)
    async with stage.running():
        await stage.baseline()

        def first(seen: faults.Seen) -> bool:
            return "updated_within" in seen.params or seen.params.get("page") == "1"

        stage.faults["chatwoot"].plan(faults.status(500), first)
        for conversation in account.living()[:5]:
            stage.world.message(conversation, "hello?", "outbound")
            await anyio.sleep(600)
        assert stage.inbox.conversations == []
        assert any(seen.params.get("page") == "2" for seen in stage.faults["chatwoot"].log[-4:])
        stage.faults["chatwoot"].clear()
        await anyio.sleep(700)
    assert stage.got() == stage.expect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_poll_whose_rows_cannot_be_read_moves_no_watermark(
    stage: Stage, provider: str
) -> None:
    stage.poll_every, stage.sweep_every = "10m", "1d"
    account = stage.watch(provider, "sales", "1", conversations=10)
    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(edit(provider, lambda rows: [None, 5]))
        stage.world.message(account.living()[0], "hello?", "outbound")
        await anyio.sleep(700)
        assert stage.inbox.conversations == []
        stage.faults[provider].clear()
        await anyio.sleep(1300)
    assert stage.got() == stage.expect()


async def test_a_sweep_that_lacked_a_row_moves_no_watermark_of_polls(stage: Stage) -> None:
    """Polls fail, the sweep lacks the row that changed, and the next poll tells it."""
    stage.poll_every, stage.sweep_every = "10m", "15m"
    account = stage.watch("chatwoot", "sales", "1", conversations=10)
    async with stage.running():
        await stage.baseline()
        changed = account.living()[0]
        stage.faults["chatwoot"].plan(
            faults.status(503), lambda seen: "updated_within" in seen.params
        )
        stage.faults["chatwoot"].plan(faults.without(changed.id))
        stage.world.message(changed, "hello?", "outbound")
        await anyio.sleep(1000)
        assert stage.inbox.conversations == []
        stage.faults["chatwoot"].clear()
        stage.faults["chatwoot"].plan(
            faults.without(changed.id), lambda seen: "sort_by" in seen.params
        )
        await anyio.sleep(640)
    assert stage.got() == stage.expect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_the_list_shows_late_is_within_the_overlap(stage: Stage, provider: str) -> None:
    """A row whose change comes late, when the watermark is beyond it already."""
    stage.poll_every, stage.sweep_every = "10s", "1d"
    account = stage.watch(provider, "sales", "1", conversations=20)
    async with stage.running():
        await stage.baseline()
        late, *others = account.living()[:6]
        for other in others:
            await anyio.sleep(300)
            stage.world.message(late, "at last", "outbound")
            until = stage.clock() + timedelta(seconds=45)
            stage.faults[provider].plan(
                faults.without(late.id), faults.between(stage.clock(), until)
            )
            await anyio.sleep(20)
            stage.world.message(other, "in between", "outbound")
        await anyio.sleep(300)
    told = [body["subject"] for body in stage.inbox.of("conversation.message")]
    assert told.count(late.id) == 5
    assert stage.got() == stage.expect()


# -- tokens


@pytest.mark.parametrize("always", [False, True], ids=["once a walk", "for hours"])
async def test_a_refused_continuation_token_begins_the_walk_again(
    stage: Stage, always: bool
) -> None:
    stage.poll_every, stage.sweep_every = "1m", "3m"
    account = stage.watch("leadping", "sales", "1", conversations=120)
    async with stage.running():
        await stage.baseline()
        refused: set[int] = set()

        def sometimes(seen: Any) -> bool:
            """Refuse one later page of each quarter of an hour."""
            quarter = int(seen.at.timestamp()) // 900
            if not later_pages("leadping")(seen) or (quarter in refused and not always):
                return False
            refused.add(quarter)
            return True

        stage.faults["leadping"].plan(faults.status(400), sometimes)
        stage.world.delete(account.living()[7])
        stage.world.message(account.living()[3], "hello?")
        await anyio.sleep(3600)
        if always:
            assert stage.inbox.of("conversation.removed") == []
            assert own(stage) == ["source.baselined", "source.failing"]
            stage.faults["leadping"].clear()
            await anyio.sleep(1800)
    assert stage.got() == stage.expect()
    if not always:
        assert own(stage) == ["source.baselined"]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_token_that_expires_in_mid_walk_is_read_again(
    stage: Stage, provider: str, tmp_path: Path
) -> None:
    """Something else renews the file; the walk goes on, and nobody is told."""
    stage.poll_every, stage.sweep_every = "1m", "3m"
    account = stage.watch(provider, "sales", "1", conversations=130)
    file = tmp_path / "token"
    file.write_text(account.token)
    named = account.token
    stage.restart_with()
    account.token = f"${{file:{file}}}"
    stage.watch_again(provider, "sales", account)
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
    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(faults.status(500), expire)
        for conversation in account.living()[:5]:
            stage.world.message(conversation, "still there?")
            await anyio.sleep(600)
    assert len(expired) > 3
    assert stage.got() == stage.expect()
    assert own(stage) == ["source.baselined"]


# -- ties, rows that come and go, rows twice


async def test_a_page_of_one_millisecond_is_walked_whole(stage: Stage) -> None:
    """A campaign writes to everybody at once: more rows of one millisecond than a page holds."""
    stage.poll_every, stage.sweep_every = "1m", "5m"
    account = stage.watch("highlevel", "sales", "1", conversations=170)
    async with stage.running():
        await stage.baseline()
        for _ in range(2):
            for conversation in account.living()[:150]:
                stage.world.message(conversation, "our offer", "outbound")
            await anyio.sleep(900)
            stage.world.delete(account.living()[70])
            stage.world.star(account.living()[71])
            await anyio.sleep(900)
    assert stage.got() == stage.expect()
    assert own(stage) == ["source.baselined"]


async def test_rows_alike_in_everything_that_can_be_asked_for_are_a_reported_hole(
    stage: Stage,
) -> None:
    """150 empty rows of one import, which the provider's filters cannot tell apart."""
    stage.poll_every, stage.sweep_every = "1m", "5m"
    account = stage.watch("highlevel", "sales", "1", conversations=20)
    stage.world.import_conversations(account, 150)
    await anyio.sleep(60)
    began = stage.clock()
    async with stage.running():
        await stage.baseline()
        assert own(stage) == ["source.baselined", "source.held"]
        assert "cannot be walked whole" in stage.inbox.of("source.held")[0]["data"]["reason"]
        stage.world.message(account.living()[3], "hello?")
        await anyio.sleep(900)
    assert stage.got() == stage.expect(began)


async def test_a_row_that_drops_out_of_one_search_and_returns_is_no_change(stage: Stage) -> None:
    stage.poll_every, stage.sweep_every = "1m", "2m"
    stage.options["highlevel"] = leadconnector.Options(drop_out=frozenset(range(3, 9000, 4)))
    stage.watch("highlevel", "sales", "1", conversations=130)
    async with stage.running():
        await stage.baseline()
        script = lively(stage.world, Random(11))
        for _ in range(15):
            script.step()
            await anyio.sleep(300)
        stage.faults["highlevel"].clear()
        await anyio.sleep(1200)
    kinds = {body["type"] for body in stage.inbox.conversations}
    assert len(kinds) > 3
    assert stage.got() == stage.expect()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_rows_that_come_twice_within_and_across_pages_are_told_once(
    stage: Stage, provider: str
) -> None:
    stage.poll_every, stage.sweep_every = "1m", "3m"
    stage.watch(provider, "sales", "1", conversations=60)
    last: list[Any] = []

    def repeat(rows: list[Any]) -> list[Any]:
        before, last[:] = list(last), rows[-2:]
        ids = {row["id"] for row in rows}
        across = [row for row in before if row["id"] not in ids]
        return [*across, *rows, *rows[:3]] if provider != "highlevel" else [*rows, *rows[-1:]]

    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(edit(provider, repeat), _lists)
        script = lively(stage.world, Random(5))
        for _ in range(12):
            script.step()
            await anyio.sleep(400)
        stage.faults[provider].clear()
        await anyio.sleep(900)
    assert len({body["id"] for body in stage.inbox.conversations}) == len(stage.inbox.conversations)
    subjects = [entry.conversation for entry in stage.world.truth.find()]
    assert {body["subject"] for body in stage.inbox.conversations} == set(subjects)


def _lists(seen: Any) -> bool:
    return seen.path.endswith(("/my", "/search", "/conversations"))


# -- an index that lags, activity lines that come later


@pytest.mark.parametrize("lag", [5.0, 25.0])
async def test_a_lagging_search_beside_immediate_look_ups_invents_nothing(
    stage: Stage, lag: float
) -> None:
    stage.sweep_every = "2m"
    stage.options["highlevel"] = leadconnector.Options(index_delay=lag)
    stage.watch("highlevel", "sales", "1", conversations=60)
    async with stage.running():
        await anyio.sleep(600)
        script = lively(stage.world, Random(23))
        for _ in range(12):
            script.step()
            await anyio.sleep(400)
        await anyio.sleep(600)
    assert stage.got() == stage.expect()


async def test_activity_lines_that_come_later_are_no_messages_and_hide_nothing(
    stage: Stage,
) -> None:
    stage.sweep_every = "1d"
    stage.options["chatwoot"] = chatwoot.Options(activity_delay=55.0)
    account = stage.watch("chatwoot", "sales", "1", conversations=30)
    async with stage.running():
        await stage.baseline()
        for number, conversation in enumerate(account.living()[:8]):
            stage.world.assign(conversation, account.agents[number % len(account.agents)])
            await anyio.sleep(10)
            stage.world.set_priority(conversation, "urgent")
            await anyio.sleep(200)
            stage.world.set_labels(conversation, ["later"])
            await anyio.sleep(200)
    told = {body["type"] for body in stage.inbox.conversations}
    assert "conversation.message" not in told
    assert {"conversation.priority_changed", "conversation.labels_changed"} <= told
    seen = [row[:2] for row in stage.got()]
    assert sorted(seen) == sorted(row[:2] for row in stage.expect())


# -- look-ups

LOOK_UPS = {
    "chatwoot": ["/api/v1/accounts/1/conversations/{id}"],
    "highlevel": ["/conversations/search", "/conversations/{id}"],
    "leadping": ["/conversations/lead/{lead}", "/conversations/lead/{lead}", "/leads/{lead}"],
}
"""What is asked about a row that a sweep lacked, the least telling question last: lists first, for
they show a row that only moved; the provider's word that it is deleted settles the rest."""


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_suspect_costs_no_more_look_ups_than_it_takes_to_prove(
    stage: Stage, provider: str
) -> None:
    stage.poll_every, stage.sweep_every = "1m", "5m"
    account = stage.watch(provider, "sales", "1", conversations=8)
    async with stage.running():
        await stage.baseline()
        await anyio.sleep(10)
        gone = account.living()[3]
        alone = [c for c in account.living() if c.state.contact.id == gone.state.contact.id]
        stage.world.delete(gone)
        before = len(stage.faults[provider].log)
        await anyio.sleep(3600)
        log = stage.faults[provider].log[before:]
    assert stage.got() == stage.expect()
    names = {"id": gone.id, "lead": gone.state.contact.id}
    asked = [path.format(**names) for path in LOOK_UPS[provider]]
    about = [
        seen.path
        for seen in log
        if names["id"] in (*seen.path.split("/"), seen.params.get("id"))
        or f"/{names['lead']}" in seen.path
    ]
    if provider == "highlevel":  # its id sets suspect the row before the sweep does
        suspicions = about.count(asked[0]) - 1
        assert suspicions <= 2 * len(("unread", "unassigned"))
        about = about[suspicions:]
    assert about == asked * len(alone)


# -- keys that vanish or are renamed

VANISHING: Mapping[str, tuple[bytes, bytes]] = {
    "leadping": (b'"lastSnippet"', b'"latestSnippet"'),
    "highlevel": (b'"unreadCount"', b'"countOfUnread"'),
    "chatwoot": (b'"labels"', b'"tags"'),
}


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_key_that_vanishes_everywhere_is_told_and_changes_nothing(
    stage: Stage, provider: str
) -> None:
    stage.poll_every, stage.sweep_every = "1m", "3m"
    stage.watch(provider, "sales", "1", conversations=60)
    old, new = VANISHING[provider]
    async with stage.running():
        await stage.baseline()
        stage.faults[provider].plan(Fault(alter=lambda body: body.replace(old, new)))
        await anyio.sleep(3600)
        assert own(stage) == ["source.baselined", "source.failing"]
        assert old.decode().strip('"') in stage.inbox.of("source.failing")[0]["data"]["reason"]
        stage.faults[provider].clear()
        await anyio.sleep(900)
    assert stage.inbox.conversations == []
    assert own(stage)[-1] == "source.recovered"


async def test_leadpings_rename_is_no_change(stage: Stage) -> None:
    stage.sweep_every = "3m"
    account = stage.watch("leadping", "sales", "1", conversations=30)
    for conversation in account.living()[:10]:
        stage.world.set_disposition(conversation, "d7", "Won", "won")
    await anyio.sleep(1)
    began = stage.clock()
    async with stage.running():
        await stage.baseline()
        renamed = Fault(
            alter=lambda body: body.replace(b'"currentLeadStatus"', b'"currentDisposition"')
        )
        stage.faults["leadping"].plan(renamed)
        await anyio.sleep(1800)
        stage.world.set_disposition(account.living()[0], "d8", "Lost", "lost")
        await anyio.sleep(900)
        stage.faults["leadping"].clear()
        await anyio.sleep(900)
    assert stage.got() == stage.expect(began)
    assert own(stage) == ["source.baselined"]
