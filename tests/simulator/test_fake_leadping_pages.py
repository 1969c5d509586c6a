"""The fake Leadping's pages: opaque tokens, short and empty pages, ties and moving rows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.asking_leadping import BY_EVENT, MY, post
from tests.simulator.harness import Harness


async def walk(
    harness: Harness, body: dict[str, Any], path: str, **options: Any
) -> list[list[str]]:
    """Follow the tokens to the end and give the ids page by page."""
    pages: list[list[str]] = []
    token = None
    while True:
        answer = await post(harness, body | {"continuationToken": token}, path, **options)
        assert answer.status_code == 200, answer.text
        whole = answer.json()
        pages.append([item["id"] for item in whole["items"]])
        token = whole["continuationToken"]
        if not token:
            return pages


@pytest.mark.parametrize("options", [{}, {"short_pages": True}, {"empty_pages": 2}])
@pytest.mark.parametrize("direction", ["asc", "desc"])
async def test_a_walk_meets_every_row_once_also_ties_nulls_short_and_empty_pages(
    options: dict[str, Any], direction: str
) -> None:
    harness = Harness("leadping", conversations=6)
    tied = harness.world.import_conversations(harness.account, 5, text="Hi")
    empty = harness.world.import_conversations(harness.account, 4)
    body = {"pageSize": 3, "orderBy": [{"field": "lastEventAt", "direction": direction}]}
    pages = await walk(harness, body, f"{MY}?archiveFilter=all", **options)
    ids = [name for page in pages for name in page]
    assert sorted(ids) == sorted(harness.account.conversations)
    nulls = {c.id for c in empty}
    assert set(ids[:4] if direction == "asc" else ids[-4:]) == nulls
    assert {c.id for c in tied} <= set(ids)
    if options.get("empty_pages"):
        assert [] in pages[:-1]
    if options.get("short_pages"):
        assert max(map(len, pages)) == 2


async def test_a_token_is_bound_to_body_filter_and_route() -> None:
    harness = Harness("leadping", conversations=8)
    body = {"pageSize": 2, "orderBy": BY_EVENT}
    token = (await post(harness, body, f"{MY}?archiveFilter=all")).json()["continuationToken"]
    assert token
    again = body | {"continuationToken": token}
    assert (await post(harness, again, f"{MY}?archiveFilter=all")).status_code == 200
    assert (
        await post(harness, again | {"pageSize": 3}, f"{MY}?archiveFilter=all")
    ).status_code == 400
    assert (await post(harness, again, f"{MY}?archiveFilter=active")).status_code == 400
    assert (
        await post(harness, again, "/conversations/lead/x?archiveFilter=all")
    ).status_code == 400


async def test_rows_that_move_while_a_walk_is_under_way_are_met_ascending_missed_descending() -> (
    None
):
    for direction, met in (("asc", True), ("desc", False)):
        harness = Harness("leadping")
        first, second, third = (harness.create("Hi") for _ in range(3))
        body = {"pageSize": 1, "orderBy": [{"field": "lastEventAt", "direction": direction}]}
        start = (await post(harness, body)).json()
        harness.clock.forward(1)
        harness.world.message(second, "Me again")
        seen = [start["items"][0]["id"]]
        token = start["continuationToken"]
        while token:
            page = (await post(harness, body | {"continuationToken": token})).json()
            seen += [item["id"] for item in page["items"]]
            token = page["continuationToken"]
        assert (second.id in seen) is met
        assert {first.id, third.id} <= set(seen)


async def test_a_page_size_may_be_a_number_or_a_numeric_string_and_is_capped() -> None:
    harness = Harness("leadping", conversations=9)
    for size in (3, "3"):
        answer = await post(harness, {"pageSize": size}, f"{MY}?archiveFilter=all")
        assert len(answer.json()["items"]) == 3
    capped = await post(harness, {"pageSize": 500}, f"{MY}?archiveFilter=all", page_cap=4)
    assert len(capped.json()["items"]) == capped.json()["pageSize"] == 4


async def test_numbers_may_come_in_quotes() -> None:
    harness = Harness("leadping", conversations=4)
    path = f"{MY}?archiveFilter=all"
    plain = await post(harness, {"includeCount": True}, path)
    quoted = await post(harness, {"includeCount": True}, path, numbers_as_strings=True)
    uncounted = await post(harness, {}, path, numbers_as_strings=True)
    assert (plain.json()["pageSize"], plain.json()["totalCount"]) == (25, 4)
    assert (quoted.json()["pageSize"], quoted.json()["totalCount"]) == ("25", "4")
    assert uncounted.json()["totalCount"] is None
