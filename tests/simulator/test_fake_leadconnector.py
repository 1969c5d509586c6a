"""The fake HighLevel does what is documented and observed of the real one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.asking_leadconnector import SEARCH, headers, ids, search
from tests.simulator.harness import Harness, ask
from watcher.simulator import leadconnector
from watcher.simulator.leadconnector.rows import last_message_date


async def test_the_list_is_sorted_by_the_last_message_and_each_row_carries_the_sort_value() -> None:
    harness = Harness("highlevel", conversations=30)
    for sort, descending in (("asc", False), ("desc", True), (None, True)):
        params = {} if sort is None else {"sort": sort}
        rows = (await search(harness, limit=100, **params)).json()["conversations"]
        values = [row["sort"][0] for row in rows]
        assert values == sorted(values, reverse=descending)
        assert all(row["sort"] == [row["lastMessageDate"]] for row in rows)
        assert len(rows) == 30


async def test_a_change_that_is_no_message_does_not_move_a_row() -> None:
    harness = Harness("highlevel", conversations=3)
    conversation = harness.account.living()[0]
    before = last_message_date(conversation.state)
    harness.clock.forward(60)
    harness.world.read(conversation)
    harness.world.assign(conversation, harness.account.agents[1])
    harness.world.set_labels(conversation, ["hot"])
    harness.world.star(conversation)
    harness.world.rename_contact(conversation, "Ada Byron")
    assert last_message_date(conversation.state) == before
    harness.world.activity(conversation)
    assert last_message_date(conversation.state) > before


async def test_the_limit_is_20_by_default_and_above_100_clamped_or_refused() -> None:
    harness = Harness("highlevel", conversations=120)
    assert len(ids(await search(harness))) == 20
    assert len(ids(await search(harness, limit=101))) == 100
    refused = await search(harness, {"over_limit": "refuse"}, limit=101)
    assert refused.status_code == 422
    as_400 = await search(harness, {"over_limit": "refuse", "refusal": 400}, limit=101)
    assert as_400.status_code == 400


async def test_ties_at_a_page_edge_are_lost_and_one_millisecond_of_overlap_finds_them() -> None:
    harness = Harness("highlevel")
    harness.world.import_conversations(harness.account, 5)
    harness.clock.forward(1)
    newer = harness.create("Hi")
    first = (await search(harness, limit=3)).json()["conversations"]
    cursor = first[-1]["sort"][0]
    assert first[0]["id"] == newer.id
    assert ids(await search(harness, limit=3, startAfterDate=cursor)) == []
    overlapped = ids(await search(harness, limit=10, startAfterDate=cursor + 1))
    assert len(overlapped) == 5


async def test_a_walk_without_ties_meets_each_row_once() -> None:
    harness = Harness("highlevel", conversations=47)
    for sort in ("asc", "desc"):
        met: list[str] = []
        params: dict[str, Any] = {"limit": 10, "sort": sort}
        while rows := (await search(harness, **params)).json()["conversations"]:
            met += [row["id"] for row in rows]
            params["startAfterDate"] = rows[-1]["sort"][0]
        assert sorted(met) == sorted(harness.account.conversations)


async def test_the_total_is_live_and_a_trace_id_stands_beside_it() -> None:
    harness = Harness("highlevel", conversations=5)
    assert (await search(harness, limit=2)).json()["total"] == 5
    harness.create("Hi")
    whole = (await search(harness, limit=2)).json()
    assert (whole["total"], set(whole)) == (6, {"conversations", "total", "traceId"})


async def test_absent_things_have_no_key_and_an_imported_row_hardly_any() -> None:
    harness = Harness("highlevel")
    (imported,) = harness.world.import_conversations(harness.account, 1)
    harness.world.rename_contact(imported, name="", email="")
    row = (await search(harness)).json()["conversations"][0]
    absent = {"assignedTo", "userId", "lastMessageDirection", "fullName", "opportunities"}
    assert not absent & set(row)
    assert (row["email"], row["lastMessageType"]) == (None, "TYPE_NO_SHOW")
    assert row["lastMessageDate"] == row["dateAdded"] == 1795168800000


async def test_types_differ_between_the_list_and_get_by_id() -> None:
    harness = Harness("highlevel")
    inbox = next(inbox for inbox in harness.account.inboxes if inbox.channel == "email")
    conversation = harness.create("Hi", inbox=inbox)
    harness.world.assign(conversation, harness.account.agents[0])
    row = (await search(harness)).json()["conversations"][0]
    app = leadconnector.app(harness.world)
    one = await ask(app, "GET", f"/conversations/{conversation.id}", headers=headers(harness))
    assert (row["type"], one.json()["type"]) == ("TYPE_EMAIL", 2)
    assert set(one.json()) == {
        "id", "contactId", "locationId", "deleted", "inbox", "type", "unreadCount", "starred",
        "assignedTo",
    }  # fmt: skip


async def test_numbers_may_come_as_strings_but_never_in_sort() -> None:
    harness = Harness("highlevel")
    harness.create("Hi")
    row = (await search(harness, {"numbers_as_strings": True})).json()["conversations"][0]
    assert (row["unreadCount"], row["lastMessageDate"]) == ("1", "1795168801000")
    assert row["sort"] == [1795168801000]


async def test_search_lags_behind_and_get_by_id_does_not() -> None:
    harness = Harness("highlevel")
    old = harness.create("Hi")
    harness.clock.forward(10)
    new = harness.create("Hello")
    harness.world.read(old)
    harness.clock.forward(1)
    late = {"index_delay": 3.0}
    answer = await search(harness, late)
    assert [(r["id"], r["unreadCount"]) for r in answer.json()["conversations"]] == [(old.id, 1)]
    app = leadconnector.app(harness.world, leadconnector.Options(index_delay=3.0))
    for conversation, unread in ((old, 0), (new, 1)):
        one = await ask(app, "GET", f"/conversations/{conversation.id}", headers=headers(harness))
        assert one.json()["unreadCount"] == unread
    harness.clock.forward(2)
    assert ids(await search(harness, late)) == [new.id, old.id]


async def test_a_deletion_reaches_search_late_as_well() -> None:
    harness = Harness("highlevel")
    conversation = harness.create("Hi")
    harness.clock.forward(10)
    harness.world.delete(conversation)
    assert ids(await search(harness, {"index_delay": 3.0})) == [conversation.id]
    harness.clock.forward(3)
    assert ids(await search(harness, {"index_delay": 3.0})) == []


async def test_a_row_may_drop_out_of_one_answer_and_be_back_in_the_next() -> None:
    harness = Harness("highlevel", conversations=5)
    options = leadconnector.Options(drop_out=frozenset({2}))
    app = leadconnector.app(harness.world, options)
    counts = []
    for _ in range(3):
        answer = await ask(app, "GET", SEARCH, params={"locationId": "3"}, headers=headers(harness))
        counts.append(len(ids(answer)))
    assert counts == [5, 4, 5]


async def test_the_filters_filter() -> None:
    harness = Harness("highlevel")
    one, two, three = (harness.create("Hi") for _ in range(3))
    world, agent = harness.world, harness.account.agents[0]
    world.read(one)
    world.star(two)
    world.assign(three, agent)
    world.follow(one, agent)
    created = last_message_date(two.state)
    cases: list[tuple[dict[str, Any], set[str]]] = [
        ({"status": "all"}, {one.id, two.id, three.id}),
        ({"status": "recents"}, {one.id, two.id, three.id}),
        ({"status": "read"}, {one.id}),
        ({"status": "unread"}, {two.id, three.id}),
        ({"status": "starred"}, {two.id}),
        ({"assignedTo": "unassigned"}, {one.id, two.id}),
        ({"assignedTo": agent.id}, {three.id}),
        ({"assignedTo": f"unassigned,{agent.id}"}, {one.id, two.id, three.id}),
        ({"followers": agent.id}, {one.id}),
        ({"id": two.id}, {two.id}),
        ({"id": "nobody"}, set()),
        ({"contactId": one.state.contact.id}, {one.id}),
        ({"startDate": created, "endDate": created}, {two.id}),
        ({"startDate": created + 1}, {three.id}),
        ({"lastMessageDirection": "outbound"}, set()),
    ]
    for params, expected in cases:
        answer = await search(harness, **params)
        assert set(ids(answer)) == expected, params
        assert answer.json()["total"] == len(expected)


async def test_what_is_put_away_is_still_listed_as_out_of_the_inbox_or_deleted() -> None:
    harness = Harness("highlevel")
    out, trashed = harness.create("Hi"), harness.create("Hi")
    harness.world.archive(out)
    harness.world.archive(trashed, "trash")
    rows = {row["id"]: row for row in (await search(harness)).json()["conversations"]}
    assert (rows[out.id]["inbox"], rows[out.id]["deleted"]) == (False, False)
    assert rows[trashed.id]["deleted"] is True


@pytest.mark.parametrize(("deleted", "unknown"), [(404, 404), (400, 400), (200, 404)])
async def test_get_by_id_of_what_is_deleted_or_unknown_is_a_switch(
    deleted: Any, unknown: int
) -> None:
    harness = Harness("highlevel")
    conversation = harness.create("Hi")
    harness.world.delete(conversation)
    app = leadconnector.app(harness.world, leadconnector.Options(deleted=deleted))
    one = await ask(app, "GET", f"/conversations/{conversation.id}", headers=headers(harness))
    assert one.status_code == deleted
    assert (one.json().get("deleted") is True) is (deleted == 200)
    nobody = await ask(app, "GET", "/conversations/nobody", headers=headers(harness))
    assert nobody.status_code == unknown
