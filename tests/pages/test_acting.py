"""What the forms of the pages do: each once, however often it is sent, by whom it was, said in a line."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import pytest

from tests.api.harness import Door
from tests.pages.harness import send, visit
from tests.pages.states import NOW, STATES
from watcher.records import DeliveryQuery
from watcher.store.memory import MemoryStore

MINE = {"source": "support", "conversation": "c0"}


async def door(state: str = "well") -> Door:
    store = MemoryStore()
    await STATES[state](store)
    return Door(store, level="operator", at=NOW, watched=("support", "sales", "leads"))


def said(answer: Any) -> str:
    assert answer.status_code == 303, answer.text
    return unquote(re.search(r"notice=\"?([^;\"]*)", answer.headers["set-cookie"]).group(1))  # type: ignore[union-attr]


async def test_a_conversation_is_taken_once_and_taken_back() -> None:
    house = await door()
    take = {"do": "PUT /acknowledgements", **MINE, "back": "/waiting"}
    first = await send(house, "/ack", take)
    assert first.headers["location"] == "/waiting"
    assert "have it" in said(first)
    await send(house, "/ack", take)
    assert len(await house.store.acknowledgements()) == 1
    page = await visit(house, "/c/support/c0")
    assert "Take it back" in page.text
    back = await send(house, "/ack", {"do": "DELETE /acknowledgements", **MINE})
    assert "nobody has it now" in said(back)
    assert not await house.store.acknowledgements()
    assert {one.action.by.via for one in await house.store.actions()} == {"page"}


async def test_a_conversation_is_silenced_from_its_page() -> None:
    house = await door()
    page = await visit(house, "/c/support/c0")
    match = re.search(r'name="match" value="([^"]+)"', page.text)
    assert match is not None
    condition = match[1].replace("&#34;", '"').replace("&amp;", "&")
    answer = await send(house, "/silences", {"match": condition, "reason": "", "hours": "4"})
    assert said(answer) == "Silenced until it ends."
    (added,) = await house.store.silences()
    assert added.match == 'source == "support" && conversation.id == "c0"'
    assert (added.ends - added.starts).total_seconds() == 4 * 3600
    listed = await visit(house, "/silences")
    assert "in force" in listed.text
    longer = {"do": "POST /silences/{id}", "hours": "24"}
    assert "longer" in said(await send(house, f"/silences/{added.id}", longer))
    end = {"do": "DELETE /silences/{id}"}
    assert "Ended" in said(await send(house, f"/silences/{added.id}", end))
    assert "over already" in said(await send(house, f"/silences/{added.id}", end))


async def test_what_a_silence_would_stop_is_seen_before_it_counts() -> None:
    house = await door("attention")
    asked = "match=receiver+%3D%3D+%22crm%22&reason=import&hours=4"
    page = await visit(house, f"/silences/new?{asked}")
    assert re.search(r"[1-9]\d* of [1-9]\d* messages of the last 24 hours", page.text)
    assert not await house.store.silences()
    form = page.text[page.text.index('method="post" action="/silences"') :]
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    fields["match"] = fields["match"].replace("&#34;", '"')
    assert said(await send(house, "/silences", fields)) == "Silenced until it ends."
    (added,) = await house.store.silences()
    assert (added.match, added.reason) == ('receiver == "crm"', "import")


async def test_a_preview_of_what_is_no_condition_says_so_beside_it() -> None:
    page = await visit(await door(), "/silences/new?match=sorce+%3D%3D+1")
    assert page.status_code == 200
    assert "This is no condition" in page.text
    assert "sorce == 1</textarea>" in page.text
    assert 'action="/silences"' not in page.text


async def test_a_silence_that_says_nothing_is_refused_in_words() -> None:
    answer = await send(await door(), "/silences", {"match": "sorce == 1", "hours": "1"})
    assert answer.status_code == 409
    assert "sorce" in answer.text


async def test_dead_messages_are_sent_again_together_if_there_are_as_many_as_were_shown() -> None:
    house = await door("attention")
    page = await visit(house, "/deliveries?state=dead&receiver=crm")
    shown = re.search(r'name="expect" value="(\d+)"', page.text)
    assert shown is not None
    assert int(shown[1]) == 3
    wrong = await send(house, "/deliveries/retry", {"expect": "40", "receiver": "crm"})
    assert wrong.status_code == 409
    assert len(await house.store.deliveries(DeliveryQuery(state="dead"))) == 3
    again = {"expect": "3", "receiver": "crm", "back": "/deliveries"}
    assert said(await send(house, "/deliveries/retry", again)) == (
        "3 messages begin anew, in order."
    )
    assert await house.store.deliveries(DeliveryQuery(state="dead")) == []


async def test_one_dead_message_is_sent_again_once() -> None:
    house = await door("attention")
    (one, *_) = await house.store.deliveries(DeliveryQuery(state="dead"))
    page = await visit(house, f"/deliveries/{one.id}")
    assert "Send again" in page.text
    await send(house, "/deliveries/retry", {"ids": one.id})
    (left,) = await house.store.deliveries(DeliveryQuery(id=one.id))
    assert left.state == "pending"


@pytest.mark.parametrize(
    ("wanted", "leads"),
    [
        ("support-e1", "/events/support-e1"),
        ("c5", "/c/leads/c5"),
        ("Tom Tanaka", None),
        ("+491555", None),
    ],
)
async def test_what_has_this_id_is_found_at_once(wanted: str, leads: str | None) -> None:
    answer = await visit(await door(), f"/find?q={wanted.replace('+', '%2B').replace(' ', '+')}")
    if leads is None:
        assert answer.status_code == 200
    else:
        assert (answer.status_code, answer.headers["location"]) == (303, leads)


@pytest.mark.parametrize(
    "address",
    ["/c/support/c0", "/deliveries?state=dead", "/silences", "/waiting", "/receivers/crm"],
)
async def test_whoever_only_reads_sees_no_button(address: str) -> None:
    store = MemoryStore()
    await STATES["attention"](store)
    answer = await visit(Door(store, level="viewer", at=NOW), address)
    assert answer.status_code == 200
    assert 'method="post"' not in answer.text
    assert "You may look; to act, sign in as operator." in answer.text
