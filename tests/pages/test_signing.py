"""Signing in and out by the pages, and what becomes of a form whose session is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx  # noqa: TID251 - reads what the pages answer
import pytest

from tests.api.harness import HOLD, Door, fill
from tests.api.test_entrance import ACME, ANA, House
from watcher.api.access import Principal
from watcher.model import rfc3339
from watcher.pages import create_pages
from watcher.records import Actor
from watcher.store.memory import MemoryStore

LOCAL = "http://127.0.0.1:8484"
DECIDED = {"decision": "discard", "since": rfc3339(HOLD.since), "back": "/sources"}


@asynccontextmanager
async def browser(house: House, store: MemoryStore) -> AsyncIterator[httpx.AsyncClient]:
    """Visit the pages over TCP, with cookies."""
    app = house.entrance.guard(create_pages(Door(store)))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=LOCAL) as client:
        yield client


async def test_a_key_signs_in_once_and_leaving_signs_out() -> None:
    house, store = House(), MemoryStore()
    await fill(store)
    key = house.keys.make(Actor("tom"))
    async with browser(house, store) as tom:
        shown = await tom.get("/enter")
        assert shown.status_code == 200
        assert 'method="post" action="/enter"' in shown.text
        assert "secret-source" not in (await tom.get("/")).text
        entered = await tom.post("/enter", data={"key": f" {key} "})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert entered.headers["referrer-policy"] == "no-referrer"
        assert "secret-source" in (await tom.get("/sources")).text
        assert "tom" in (await tom.get("/leave")).text
        left = await tom.post("/leave", data={"back": "/"})
        assert (left.status_code, left.headers["location"]) == (303, "/")
        assert "secret-source" not in (await tom.get("/sources")).text
        again = await tom.post("/enter", data={"key": key})
        assert again.status_code == 401
        assert key not in again.text


@pytest.mark.parametrize("back", ["//evil.example", "https://evil.example", "/\\evil.example", ""])
async def test_it_leads_to_no_other_site(back: str) -> None:
    async with browser(House(), MemoryStore()) as ana:
        entered = await ana.post("/enter", data={"key": ANA, "back": back})
        assert entered.headers["location"] == "/"
        entered = await ana.post("/enter", data={"key": ANA, "back": "/find?q=a"})
        assert entered.headers["location"] == "/find?q=a"


async def test_what_somebody_wrote_is_kept_when_the_session_is_over() -> None:
    house, store = House(), MemoryStore()
    await fill(store)
    async with browser(house, store) as ana:
        await ana.post("/enter", data={"key": ANA})
        house.now += timedelta(hours=13)
        refused = await ana.post("/sources/secret-source/hold", data=DECIDED)
        assert refused.status_code == 401
        assert 'action="/sources/secret-source/hold"' in refused.text
        for name, value in DECIDED.items():
            assert f'<input type="hidden" name="{name}" value="{value}">' in refused.text
        assert await store.actions() == await _before()
        await ana.post("/enter", data={"key": ANA})
        done = await ana.post("/sources/secret-source/hold", data=DECIDED)
        assert (done.status_code, done.headers["location"]) == (303, "/sources")
    (last, *_) = await store.actions()
    assert (last.action.by, last.action.what) == (Actor("Ana", "page"), "discard hold")


async def _before() -> object:
    store = MemoryStore()
    await fill(store)
    return await store.actions()


async def test_a_viewer_gets_no_button_and_is_refused() -> None:
    house, store = House(), MemoryStore()
    await fill(store)
    house.settings = {"tokens": [{"name": "v", "token": ACME, "role": "viewer"}]}
    async with browser(house, store) as viewer:
        await viewer.post("/enter", data={"key": ACME})
        shown = await viewer.get("/sources/secret-source/hold")
        assert shown.status_code == 200
        assert 'method="post"' not in shown.text
        refused = await viewer.post("/sources/secret-source/hold", data=DECIDED)
        assert refused.status_code == 403


async def test_at_the_control_socket_nobody_signs_in() -> None:
    from tests.pages.harness import send

    answer = await send(Door(MemoryStore(), who=Principal()), "/enter", {"key": ANA})
    assert answer.status_code == 405
