"""HighLevel and Leadway: what refusals, limits and look-ups mean."""

from __future__ import annotations

from typing import Any

import pytest

from tests.providers.leadconnector_harness import (
    EMPTY,
    ID,
    REFUSALS,
    answer,
    look_up,
    parse,
    provider,
    shape,
)
from watcher.errors import SourceChanged, SourceError, SourceRefused, SourceUnavailable
from watcher.model import Conversation
from watcher.providers import (
    Check,
    LookUp,
    Quota,
    Sweep,
)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("no_version", "`version`"),
        ("odd_version", "`version`"),
        ("no_scope", "conversations.readonly"),
        ("bad_token", "new token"),
        ("bad_pit", "new token"),
        ("other_location", "`location_id`"),
        ("wordless", "token"),
    ],
)
def test_each_refusal_has_its_own_remedy(name: str, hint: str) -> None:
    refusal = REFUSALS[name]
    for motion in (Sweep(), Check(), LookUp(Conversation(ID), "absent")):
        with pytest.raises(SourceRefused) as raised:
            parse(answer(refusal["body"], refusal["status"]), motion)
        assert hint in raised.value.remedy


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, SourceChanged),
        (404, SourceRefused),
        (422, SourceChanged),
        (429, SourceUnavailable),
        (500, SourceUnavailable),
        (503, SourceUnavailable),
        (301, SourceChanged),
    ],
)
def test_each_status_asks_for_its_recovery(status: int, error: type[SourceError]) -> None:
    with pytest.raises(error):
        parse(answer({"message": ["Unprocessable Entity"]}, status))


def test_a_location_that_is_not_taken_is_the_configurations_fault() -> None:
    with pytest.raises(SourceRefused) as raised:
        parse(answer({"message": "Location with id loc1 not found"}, 400))
    assert "location_id" in raised.value.remedy


@pytest.mark.parametrize(("left", "wait"), [("7", 10), ("0", 900)])
def test_a_limit_waits_an_interval_or_until_another_day(left: str, wait: float) -> None:
    with pytest.raises(SourceUnavailable) as raised:
        parse(answer(b"", 429, x_ratelimit_daily_remaining=left))
    assert raised.value.retry_after == wait


@pytest.mark.parametrize(
    ("words", "limit"),
    [(["limit must not be greater than 50"], "50"), ("limit is not valid", "20")],
)
def test_a_limit_that_is_refused_is_lowered(words: Any, limit: str) -> None:
    watched, refusal = provider(), answer({"message": words}, 422)
    page = watched.parse(watched.start(Sweep()), refusal)
    assert page.fallback
    watched.set_capabilities(page.capabilities)
    position = watched.start(Sweep())
    assert ("limit", limit) in watched.request(position).params


def test_the_default_limit_is_never_lowered() -> None:
    watched = provider(page_size=20)
    with pytest.raises(SourceChanged):
        watched.parse(watched.start(Sweep()), answer({"message": "limit is not valid"}, 422))


@pytest.mark.parametrize(
    ("headers", "quota"),
    [
        ({}, None),
        ({"x_ratelimit_remaining": "soon"}, None),
        ({"x_ratelimit_remaining": "41"}, Quota(41, 10)),
        (
            {"x_ratelimit_remaining": "41", "x_ratelimit_interval_milliseconds": "5000"},
            Quota(41, 5),
        ),
        ({"x_ratelimit_remaining": "41", "x_ratelimit_daily_remaining": "0"}, Quota(0, 900)),
    ],
)
def test_the_quota_is_read_from_the_headers(headers: dict[str, str], quota: Quota | None) -> None:
    assert provider().quota(answer(b"{}", **headers)) == quota


def test_a_row_that_the_search_still_shows_is_found() -> None:
    for why in ("absent", "suspect"):
        page = look_up(answer(shape("as_text")), why=why)
        assert (page.verdict, [row.id for row in page.rows]) == ("found", [ID])


def test_other_rows_than_the_one_asked_for_prove_nothing() -> None:
    page = look_up(answer(shape("documented")), why="suspect")
    assert (page.verdict, page.rows) == ("unknown", ())


@pytest.mark.parametrize(
    ("body", "status", "verdict"),
    [
        ({"message": "Not Found"}, 404, "deleted"),
        ({"statusCode": 400, "message": "Bad Request"}, 400, "deleted"),
        ({"message": "No conversation with this id"}, 400, "deleted"),
        ({"message": "locationId is required"}, 400, "unknown"),
        ({"message": "MongoServerError: operation exceeded limit"}, 400, "unknown"),
        ({"message": ["Unprocessable Entity"]}, 422, "unknown"),
        ({"id": ID, "deleted": True}, 200, "deleted"),
        ({"message": "You may not see this"}, 401, "access_lost"),
        ({}, 403, "access_lost"),
    ],
)
def test_an_absence_is_judged_by_the_row_itself(body: Any, status: int, verdict: str) -> None:
    page = look_up(EMPTY, answer(body, status))
    assert (page.verdict, page.rows) == (verdict, ())


def test_a_row_that_the_search_lags_behind_exists_and_nothing_else_is_taken_from_it() -> None:
    page = look_up(EMPTY, answer(shape("by_id")))
    assert (page.verdict, page.rows) == ("found", ())


@pytest.mark.parametrize("name", sorted(REFUSALS.keys() - {"wordless"}))
def test_a_refusal_of_the_account_is_never_a_lost_conversation(name: str) -> None:
    refusal = REFUSALS[name]
    with pytest.raises(SourceRefused):
        look_up(EMPTY, answer(refusal["body"], refusal["status"]))


def test_trouble_at_the_provider_is_no_verdict() -> None:
    with pytest.raises(SourceUnavailable):
        look_up(EMPTY, answer(b"<html>", 502))
    with pytest.raises(SourceChanged):
        look_up(EMPTY, answer([], 200))


def test_the_look_up_asks_the_search_first_then_for_the_row() -> None:
    watched = provider()
    position = watched.start(LookUp(Conversation("a/b"), "absent"))
    first = watched.request(position)
    assert first.path == "/conversations/search"
    assert first.params == (("locationId", "loc1"), ("id", "a/b"))
    second = watched.request(watched.parse(position, EMPTY).next)
    assert (second.path, second.params) == ("/conversations/a%2Fb", ())
    assert second.headers == first.headers == (("Version", "2021-04-15"),)
