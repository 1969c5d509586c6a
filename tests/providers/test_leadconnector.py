"""HighLevel and Leadway: one implementation with two names, its settings and its requests."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.providers.leadconnector_harness import (
    EMPTY,
    ID,
    NOW,
    answer,
    parse,
    provider,
    shape,
)
from watcher.errors import SourceChanged, SourceError, SourceRefused
from watcher.model import Conversation
from watcher.providers import (
    Check,
    LookUp,
    Members,
    Motion,
    Poll,
    Provider,
    Sweep,
)
from watcher.providers.leadconnector import HighLevel, Leadway


def test_a_check_asks_for_one_row_and_notices_another_location() -> None:
    watched = provider(location_id="elsewhere")
    position = watched.start(Check())
    assert watched.request(position).params == (("locationId", "elsewhere"), ("limit", "1"))
    assert watched.parse(position, EMPTY).next is None
    with pytest.raises(SourceRefused) as raised:
        watched.parse(position, answer(shape("real")))
    assert "location_id" in raised.value.remedy
    assert parse(answer(shape("real")), Check()).total == 3


def test_the_request_of_a_walk_names_all_that_it_relies_on() -> None:
    request = provider(Leadway).request(provider(Leadway).start(Members("unassigned")))
    assert request.params == (
        ("locationId", "loc1"),
        ("limit", "100"),
        ("sortBy", "last_message_date"),
        ("sort", "desc"),
        ("status", "all"),
        ("assignedTo", "unassigned"),
    )
    assert request.headers == (("Version", "2021-07-28"),)


def test_one_implementation_has_two_names() -> None:
    for kind in (HighLevel, Leadway):
        watched = provider(kind, base_url="http://127.0.0.1:9")
        assert isinstance(watched, Provider)
        assert watched.account == "leadconnector/loc1"
        assert watched.budget.key == "leadconnector:loc1"
        assert (watched.budget.requests, watched.budget.per) == (100, 10)
        assert watched.authorization("abc") == {"Authorization": "Bearer abc"}
    leadway = provider(Leadway)
    page = leadway.parse(leadway.start(Poll(timedelta(0))), answer(shape("real")))
    assert {row.fields["url"] for row in page.rows} == {None}


@pytest.mark.parametrize(
    "wrong",
    [{"location_id": ""}, {"location_id": "a b"}, {"page_size": 0}, {"page_size": 101},
     {"app_url": "gohighlevel"}, {"surprise": 1}],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        provider(**wrong)


MOTIONS: tuple[Motion, ...] = (
    Sweep(),
    Poll(timedelta(hours=1), NOW - timedelta(hours=1)),
    Members("unread"),
    Members("unassigned"),
    Check(),
    LookUp(Conversation(ID), "absent"),
)
KEYS = (
    "id", "sort", "lastMessageDate", "dateAdded", "unreadCount", "lastMessageType", "type",
    "lastMessageBody", "lastMessageDirection", "assignedTo", "tags", "followers", "starred",
    "deleted", "inbox", "fullName", "contactName", "email", "phone", "contactId", "locationId",
)  # fmt: skip
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(["loc1", ID, "TYPE_SMS", "1786082787710", "2026-08-06T04:20:00Z"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)  # fmt: skip
rows = st.dictionaries(st.sampled_from(KEYS), anything)
bodies = (
    st.binary(max_size=60)
    | anything.map(lambda value: json.dumps(value).encode())
    | st.lists(rows | anything, max_size=6).map(
        lambda found: json.dumps({"conversations": found, "total": len(found)}).encode()
    )
)


@given(bodies, st.sampled_from([200, 200, 200, 204, 302, 400, 401, 403, 404, 422, 429, 500, 503]))
def test_whatever_is_answered_parsing_raises_nothing_but_source_errors(
    body: bytes, status: int
) -> None:
    for motion in MOTIONS:
        watched = provider(raw=True)
        position = watched.start(motion)
        for _ in range(2):
            try:
                page = watched.parse(position, answer(body, status))
            except SourceError:
                break
            assert len(page.complaints) >= page.unusable
            json.dumps([row.id for row in page.rows], ensure_ascii=False).encode()
            if page.next is None:
                break
            watched.request(page.next)
            position = page.next


def test_an_endlessly_nested_answer_is_a_changed_api() -> None:
    with pytest.raises(SourceChanged):
        parse(answer(b"[" * 100_000))


def test_a_text_cut_in_the_middle_of_an_emoji_can_be_written_again() -> None:
    body = b'{"conversations": [{"id": "c1", "lastMessageBody": "hi \\ud83d"}]}'
    assert parse(answer(body)).rows[0].fields["last_message"].text == "hi ?"
