"""Chatwoot's answers: pages, refusals, look-ups, and what is asked."""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.chatwoot_harness import (
    LIST,
    NOW,
    answer,
    chatwoot,
    envelope,
    one,
    parse,
    shape,
)
from watcher.errors import SourceChanged, SourceError, SourceRefused, SourceUnavailable
from watcher.model import Conversation
from watcher.providers import Check, LookUp, Members, Page, Poll, Provider, Request

LOOK = LookUp(Conversation("101"), "absent")

# -- pages ----------------------------------------------------------------------------------------


def test_one_unreadable_value_costs_only_itself_and_its_words_stay_secret() -> None:
    body = shape("list_v4_15")
    sound = parse(body).rows
    body["data"]["payload"][1]["labels"] = "private words"
    page = parse(body)
    assert [row.id for row in page.rows] == ["101", "102", "103", "104"]
    assert page.unusable == 0
    assert page.rows[1].fields == {k: v for k, v in sound[1].fields.items() if k != "labels"}
    assert page.complaints == ("conversation 102: labels (a text) cannot be read",)


def test_a_key_that_no_row_has_is_named_and_one_that_some_rows_have_is_not() -> None:
    body = shape("list_v4_15")
    for row in body["data"]["payload"]:
        del row["labels"]
    del body["data"]["payload"][0]["status"]
    page = parse(body)
    assert page.missing == ("labels",)
    assert all("labels" not in row.fields for row in page.rows)
    assert parse(envelope([])).missing == ()


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {},
        {"data": None},
        {"data": []},
        {"data": {"payload": []}},
        {"data": {"meta": {}}},
        {"data": {"meta": {}, "payload": {}}},
        {"meta": {}, "payload": []},
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_anything_but_the_envelope_is_a_changed_api(body: Any, raw: bool) -> None:
    with pytest.raises(SourceChanged):
        parse(body, raw=raw)


@pytest.mark.parametrize("motion", [LIST, Poll(timedelta(0)), Check(), LOOK])
def test_a_web_page_in_place_of_json_is_a_changed_api(motion: Any) -> None:
    provider = chatwoot()
    with pytest.raises(SourceChanged, match="not JSON"):
        provider.parse(provider.start(motion), answer(text=b"<html>Sign in</html>"))


MOTIONS = st.sampled_from([LIST, Poll(timedelta(minutes=1)), Check(), LOOK])
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)
ROW_KEYS = st.sampled_from([*shape("show_v4_15"), "applied_sla"])
LIKE_ROWS = st.lists(st.dictionaries(ROW_KEYS, JSON), max_size=3)


@given(
    body=st.one_of(
        st.binary(),
        JSON.map(lambda value: json.dumps(value).encode()),
        LIKE_ROWS.map(lambda value: json.dumps(envelope(value)).encode()),
    ),
    motion=MOTIONS,
    status=st.sampled_from([200, 201, 204, 301, 400, 401, 404, 422, 429, 500]),
    raw=st.booleans(),
)
def test_whatever_comes_is_a_page_or_an_error_about_the_source(
    body: bytes, motion: Any, status: int, raw: bool
) -> None:
    provider = chatwoot(raw=raw)
    with suppress(SourceError):
        page = provider.parse(provider.start(motion), answer(status=status, text=body))
        nameless = [line for line in page.complaints if line.endswith(": no usable id")]
        assert page.unusable == len(nameless)
        assert len(page.complaints) <= len(page.rows) + page.unusable


# -- refusals and trouble -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason", "remedy"),
    [
        ({"error": "Invalid Access Token"}, "does not accept the token", "administrator"),
        (
            {"errors": ["You need to sign in or sign up before continuing."]},
            "Api-Access-Token did not arrive",
            "proxy",
        ),
        (
            {"error": "You are not authorized to access this account"},
            "not a member",
            "account_id",
        ),
        ({"error": "Account is suspended"}, "suspended", "installation"),
        (
            {"error": "Access to this endpoint is not authorized for bots"},
            "a bot's",
            "administrator",
        ),
        ({"error": "Something else"}, "HTTP 401: Something else", "token"),
        ({}, "HTTP 401", "token"),
    ],
)
@pytest.mark.parametrize("motion", [LIST, LOOK])
def test_each_refusal_says_what_is_wrong_and_what_to_do(
    body: Any, reason: str, remedy: str, motion: Any
) -> None:
    provider = chatwoot()
    with pytest.raises(SourceRefused) as caught:
        provider.parse(provider.start(motion), answer(body, 401))
    assert reason in caught.value.reason
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, SourceChanged),
        (403, SourceRefused),
        (404, SourceRefused),
        (422, SourceChanged),
        (500, SourceUnavailable),
        (502, SourceUnavailable),
        (503, SourceUnavailable),
    ],
)
def test_each_status_has_its_recovery(status: int, error: type[SourceError]) -> None:
    provider = chatwoot()
    with pytest.raises(error):
        provider.parse(provider.start(LIST), answer(status=status, text=b"<html></html>"))


@pytest.mark.parametrize(("second", "patience"), [(None, 30), (0, 60), (1, 59), (59, 1)])
@pytest.mark.parametrize("ours", [0, 17, 59])
def test_a_limit_without_a_wish_is_waited_out_to_the_servers_next_minute(
    second: int | None, patience: float, ours: int
) -> None:
    """By their second where the answer tells it; by our own clock never."""
    provider = chatwoot()
    told = answer(status=429, text=b"Retry later\n", at=NOW + timedelta(seconds=ours))
    date = None if second is None else NOW + timedelta(days=1, seconds=second)
    told = dataclasses.replace(told, date=date)
    with pytest.raises(SourceUnavailable) as caught:
        provider.parse(provider.start(LIST), told)
    assert caught.value.retry_after == patience


# -- look-ups -------------------------------------------------------------------------------------


def look_up(response: Any) -> Page:
    provider = chatwoot()
    return provider.parse(provider.start(LOOK), response)


def test_a_look_up_that_finds_the_row_gives_it() -> None:
    page = look_up(answer(shape("show_v4_15")))
    assert page.verdict == "found"
    assert page.rows == (one(),)
    assert page.next is None


def test_a_look_up_of_a_deleted_conversation_says_so() -> None:
    page = look_up(answer({"error": "Resource could not be found"}, 404))
    assert (page.verdict, page.rows) == ("deleted", ())


def test_a_look_up_of_a_hidden_conversation_is_a_lost_access_and_no_refusal() -> None:
    page = look_up(answer({"error": "You are not authorized to do this action"}, 401))
    assert (page.verdict, page.rows) == ("access_lost", ())


def test_a_missing_page_that_chatwoot_did_not_write_deletes_nothing() -> None:
    with pytest.raises(SourceRefused):
        look_up(answer(status=404, text=b"<html>nginx: not found</html>"))


def test_another_conversation_than_the_one_asked_for_is_no_answer() -> None:
    with pytest.raises(SourceChanged):
        look_up(answer({**shape("show_v4_15"), "id": 102}))


# -- requests and identity ------------------------------------------------------------------------


def test_requests_ask_for_conversations_of_every_status() -> None:
    provider = chatwoot()
    path = "/api/v1/accounts/3/conversations"
    poll = Poll(timedelta(seconds=29.5))
    asked = {motion: provider.request(provider.start(motion)) for motion in (LIST, poll, Check())}
    ordered = (("status", "all"), ("sort_by", "created_at_asc"), ("page", "1"))
    assert asked[LIST] == asked[Check()] == Request(path, params=ordered)
    assert asked[poll] == Request(path, params=(("status", "all"), ("updated_within", "90")))
    assert provider.request(provider.start(LOOK)) == Request(f"{path}/101")


def test_the_provider_keeps_its_promises_about_itself() -> None:
    provider = chatwoot(base_url="https://user:pw@Chat.example.com/support/")
    assert isinstance(provider, Provider)
    assert provider.account == "https://Chat.example.com/support|3"
    assert provider.budget.key == "chatwoot:chat.example.com"
    assert provider.authorization("abc") == {"Api-Access-Token": "abc"}
    assert provider.quota(answer({})) is None
    assert provider.sets == ()
    with pytest.raises(ValueError, match="no id set"):
        provider.start(Members("unread"))
