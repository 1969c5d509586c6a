"""Every page in every state: who sees what, and that no text of a stranger is more than text."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.api.harness import Door
from tests.pages.harness import send, visit
from tests.pages.states import ADDRESSES, HOSTILE, NOW, PEOPLE, STATES
from tests.support.make import T0, at, commit, event
from watcher.api.access import ROLES, Role
from watcher.model import rfc3339
from watcher.store.memory import MemoryStore

CASES = [(address, state) for address, states in ADDRESSES.items() for state in states]
SECRETS = (
    *PEOPLE,
    "example.com",
    "+4915550",
    "Lisbon",
    "Ana",
    "clinic",
    "leads",
    "crm",
    "acme",
    "401",
)
"""What nobody may read who has not signed in."""


async def door(state: str, level: Role = "operator") -> Door:
    store = MemoryStore()
    await STATES[state](store)
    return Door(store, level=level, at=NOW)


@pytest.mark.parametrize(("address", "state"), CASES)
async def test_a_page_is_shown_in_every_state(address: str, state: str) -> None:
    answer = await visit(await door(state), address)
    assert answer.status_code == (404 if address == "/nowhere" else 200)
    assert answer.text.count("<h1") == 1
    ids = re.findall(r' id="([^"]+)"', answer.text)
    assert len(ids) == len(set(ids))
    assert "None" not in answer.text
    assert len(answer.content) < 200_000


@pytest.mark.parametrize(("address", "state"), CASES)
async def test_whoever_has_not_signed_in_reads_no_name_number_or_text(
    address: str, state: str
) -> None:
    answer = await visit(await door(state, "anybody"), address)
    assert answer.status_code in (200, 401, 404)
    shown = answer.text.replace(html.escape(address), "")
    assert [one for one in SECRETS if one in shown] == []


@pytest.mark.parametrize("level", ROLES)
async def test_buttons_are_for_operators(level: Role) -> None:
    answer = await visit(await door("attention", level), "/")
    assert ('method="post"' in answer.text) is (level == "operator")


@pytest.mark.parametrize("address", ["/", "/sources/support"])
async def test_no_text_of_a_stranger_is_more_than_text(address: str) -> None:
    answer = await visit(await door("hostile"), address)
    assert re.findall(r"<(script|img|svg|a|title)[^>]*bad\(", answer.text) == []
    assert "bad(" in answer.text
    assert not re.search(r'(href|src|action)="\s*javascript:', answer.text)
    assert len(HOSTILE) == 200


async def test_what_needs_a_person_stands_first_with_its_remedy() -> None:
    page = (await visit(await door("attention"), "/")).text
    verdict = (
        "2 of 4 sources are watched; 1 failing; 1 held; of 3 receivers 1 failing, 1 paused, 1 off; "
    )
    assert f"{verdict}3 messages given up." in page
    places = [
        page.index(words)
        for words in (
            "Needs attention", "clinic cannot be read", "make a new Private Integration token",
            "leads: a sweep is held", "3 messages to crm were given up", "Who waits", "<h2 id=\"h-sources\"",
            "<h2 id=\"h-latest\"",
        )
    ]  # fmt: skip
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("well", "All 3 sources are watched."),
        ("first_minutes", "The inbox is read for the first time"),
        ("quiet", "Nobody waits."),
        ("quiet", "Nothing has changed yet."),
        ("quiet", "there is no rule that says who hears of them"),
        ("offline", "The network does not work"),
        ("offline", "The disk is nearly full"),
        ("thousand", "All 1,000 sources"),
        ("nothing", "No source is configured: nothing is watched."),
    ],
)
async def test_the_overview_says_how_things_are(state: str, words: str) -> None:
    assert words in (await visit(await door(state), "/")).text


async def test_a_network_that_fails_is_one_trouble_not_one_for_each_source() -> None:
    assert "cannot be read" not in (await visit(await door("offline"), "/")).text


async def test_a_thousand_sources_are_paged_the_worst_first() -> None:
    here = await door("thousand")
    seen: list[str] = []
    address: str | None = "/sources?limit=200"
    while address:
        page = (await visit(here, address)).text
        seen += re.findall(r'<th scope="row"><a href="/sources/([^"]+)"', page)
        found = re.search(r'rel="next" href="([^"]+)"', page)
        address = found[1].replace("&amp;", "&") if found else None
    assert len(seen) == len(set(seen)) == 1000
    assert {int(name[-4:]) % 97 for name in seen[:11]} == {0}
    assert "acme-…" in (await visit(here, "/sources")).text


async def test_a_decision_is_about_the_hold_that_was_shown() -> None:
    here = await door("attention")
    wanted = {"decision": "accept", "since": rfc3339(at(10201)), "back": "/sources/leads"}
    refused = await send(here, "/sources/leads/hold", wanted)
    assert refused.status_code == 409
    assert "the hold of leads that was shown is not held any more" in refused.text
    page = (await visit(here, "/sources/leads/hold")).text
    (since,) = set(re.findall(r'name="since" value="([^"]+)"', page))
    assert datetime.fromisoformat(since).astimezone(UTC) == at(10200)
    done = await send(here, "/sources/leads/hold", wanted | {"decision": "discard", "since": since})
    assert (done.status_code, done.headers["location"]) == (303, "/sources/leads")
    cookie = done.headers["set-cookie"].partition(";")[0]
    shown = await visit(here, "/sources/leads", cookie=cookie)
    assert "Discarded: nothing happened." in shown.text
    assert 'notice=""' in shown.headers["set-cookie"]
    (action,) = (await here.store.actions(before=None, limit=1))[:1]
    assert (action.action.what, action.action.by.via) == ("discard hold", "page")


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "x", ""]
)
async def test_a_form_leads_to_a_page_of_ours(back: str) -> None:
    here = await door("attention")
    fields = {"decision": "discard", "since": rfc3339(at(10200)), "back": back}
    assert (await send(here, "/sources/leads/hold", fields)).headers[
        "location"
    ] == "/sources/leads/hold"


async def test_a_form_that_is_too_long_is_refused() -> None:
    answer = await send(await door("attention"), "/sources/leads/hold", {"decision": "x" * 70_000})
    assert answer.status_code == 413


async def test_who_waits_is_taken_on_the_overview() -> None:
    here = await door("well")
    page = (await visit(here, "/")).text
    form = page[page.index('action="/ack"') :].partition("</form>")[0]
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))
    done = await send(here, "/ack", fields)
    assert (done.status_code, done.headers["location"]) == (303, "/")
    assert "somebody has it" in (await visit(here, "/")).text


@pytest.mark.parametrize("minutes", [0, 1, 59])
async def test_what_happened_in_the_hour_that_runs_is_counted(minutes: int) -> None:
    store = MemoryStore()
    await STATES["quiet"](store)
    now = NOW + timedelta(minutes=minutes)
    await store.commit(commit(source="support", events=(event("now", seconds=(NOW - T0).seconds),)))
    shown = (await visit(Door(store, level="operator", at=now + timedelta(seconds=1)), "/")).text
    assert "Nothing happened in the last 24 hours" not in shown
