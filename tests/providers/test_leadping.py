"""Leadping: whatever it answers, walks end rightly, and refusals become the right errors."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.providers.leadping_harness import (
    CHALLENGE,
    SECRET,
    answer,
    look_up,
    page,
    pages,
    provider,
    row,
    walk,
)
from watcher.errors import (
    SourceChanged,
    SourceError,
    SourceRefused,
    SourceUnavailable,
    WalkExpired,
)
from watcher.providers import Check, LookUp, Motion, Page, Poll, Provider, Request, Response, Sweep
from watcher.providers.leadping import Leadping, LeadpingSettings


def positions() -> list[Any]:
    """One position of every kind, most of them as walks reach them."""
    leadping = provider()
    starts = [
        leadping.start(motion)
        for motion in (Poll(timedelta(0)), Sweep(), look_up(), look_up(None), Check())
    ]
    listed, lead = starts[2], answer(page())
    second = leadping.parse(starts[1], answer(page(token="t"))).next
    archived = leadping.parse(listed, lead).next
    at_lead = leadping.parse(archived, lead).next
    vouch = leadping.parse(at_lead, answer(status=401)).next
    kind = leadping.parse(starts[4], answer(page(row("a")))).next
    search = leadping.parse(kind, answer(page(row("b", 5, isArchived=True)))).next
    confirm = leadping.parse(search, answer(page(row("a")))).next
    denied = leadping.parse(starts[4], answer(status=400)).next
    later = [second, archived, at_lead, vouch, kind, search, confirm, denied]
    assert None not in later
    return starts + later


plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["items", "id", "continuationToken", "totalCount", "lastEventAt", "isArchived"]
            )
            | st.text(max_size=4),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(
    body=st.binary(max_size=60)
    | st.just(b"[" * 100_000)
    | plain_json.map(lambda plain: json.dumps(plain).encode())
    | pages.map(lambda plain: json.dumps(plain).encode()),
    status=st.sampled_from([200, 200, 200, 204, 302, 400, 401, 403, 404, 410, 429, 500, 503]),
    place=st.integers(0, len(positions()) - 1),
    raw=st.booleans(),
)
def test_any_answer_is_read_or_refused_with_a_source_error(
    body: bytes, status: int, place: int, raw: bool
) -> None:
    leadping, position = provider(raw=raw), positions()[place]

    def outcome() -> Page | str:
        try:
            return leadping.parse(position, answer(body, status, {"retry-after": "soon"}))
        except SourceError as error:
            return str(error)

    first = outcome()
    assert first == outcome()
    if isinstance(first, str):
        assert first
        assert SECRET not in first
        assert "\n" not in first
    elif first.next is not None:
        assert SECRET not in repr(leadping.request(first.next))


@given(st.lists(st.lists(st.integers(0, 999), max_size=3), min_size=1, max_size=12))
def test_a_sweep_meets_every_row_however_the_pages_are_cut(cuts: list[list[int]]) -> None:
    def serve(request: Request) -> Response:
        at = int(request.json.get("continuationToken", "0"))
        more = str(at + 1) if at + 1 < len(cuts) else None
        return answer(page(*(row(f"c-{number}") for number in cuts[at]), token=more))

    met = [list(parsed.rows) for _, parsed in walk(provider(), Sweep(), serve)]
    assert [[seen.id for seen in part] for part in met] == [
        [f"c-{number}" for number in cut] for cut in cuts
    ]


@given(before=st.integers(0, 9), circle=st.integers(1, 9))
def test_a_list_that_leads_in_a_circle_is_noticed(before: int, circle: int) -> None:
    def serve(request: Request) -> Response:
        at = int(request.json.get("continuationToken", "0"))
        return answer(page(token=str(at + 1 if at + 1 < before + circle else before or circle)))

    with pytest.raises(SourceChanged, match="circle"):
        list(walk(provider(), Sweep(), serve))


def test_a_listing_request_is_a_post_with_a_number_and_no_token_at_first() -> None:
    leadping = provider(page_size=50)
    assert leadping.request(leadping.start(Sweep())) == Request(
        "/conversations/my",
        "POST",
        params=(("archiveFilter", "all"),),
        json={"pageSize": 50, "orderBy": [{"field": "lastEventAt", "direction": "asc"}]},
        headers=(("accept", "application/json"),),
    )


def test_the_token_is_echoed_unparsed_with_the_very_same_question() -> None:
    token = '[{"token":"+RID:~a#RT:1","range":{"min":"","max":"FF"}}]  '
    leadping = provider()
    start = leadping.start(Poll(timedelta(0)))
    first = leadping.request(start)
    second = leadping.request(leadping.parse(start, answer(page(row("a", 9999), token=token))).next)
    assert second.json == first.json | {"continuationToken": token}
    assert (second.params, second.path) == (first.params, first.path)


@pytest.mark.parametrize("given_value", [2, "2", "All"])
def test_the_archive_filter_is_configurable(given_value: Any) -> None:
    leadping = provider(archive_filter=given_value)
    request = leadping.request(leadping.start(Sweep()))
    assert request.params == (("archiveFilter", str(given_value)),)


def test_ids_are_quoted_in_paths() -> None:
    leadping = provider()
    request = leadping.request(leadping.start(look_up("a/../b?c")))
    assert request.path == "/conversations/lead/a%2F..%2Fb%3Fc"


def test_no_request_and_no_identity_shows_the_token() -> None:
    leadping = provider(base_url="https://user:word@proxy.example.com/leadping/")
    assert all(SECRET not in repr(leadping.request(position)) for position in positions())
    assert leadping.account == "https://proxy.example.com/leadping"
    assert SECRET not in repr((leadping.budget, leadping.account, LeadpingSettings(token=SECRET)))
    assert "word" not in repr((leadping.budget, leadping.account))
    assert leadping.authorization(SECRET) == {"Authorization": f"Bearer {SECRET}"}


def test_the_limit_is_shared_by_organization_or_else_by_token() -> None:
    named = [Leadping(LeadpingSettings(token=t, organization="acme")) for t in ("one", "two")]
    assert named[0].account == named[1].account  # a token is renewed
    assert named[0].account != Leadping(LeadpingSettings(token="one", organization="b")).account
    unnamed = [Leadping(LeadpingSettings(token=t)) for t in ("one", "two")]
    assert named[0].budget == named[1].budget
    assert unnamed[0].budget != unnamed[1].budget
    assert (named[0].budget.requests, named[0].budget.per) == (300, 60.0)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"page_size": 0}, {"page_size": 1001}, {"archive_filter": ""}, {"archive_filter": "a b"}),
        *({"organisation": "acme"}, {"base_url": "ftp://x"}, {"token": ""}),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        LeadpingSettings(**{"token": SECRET} | wrong)


def test_it_is_a_provider_without_sets_and_quota() -> None:
    leadping = provider()
    leadping.set_capabilities({"anything": 1})
    assert isinstance(leadping, Provider)
    assert leadping.sets == ()
    assert leadping.quota(answer()) is None
    assert leadping.skip(leadping.start(Sweep())) is None


@pytest.mark.parametrize("motion", [Poll(timedelta(0)), Sweep(), Check()])
@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (302, {}, SourceChanged),
        (401, CHALLENGE, SourceRefused),
        (401, {}, SourceRefused),
        (403, {}, SourceRefused),
        (404, {}, SourceRefused),
        (422, {}, SourceChanged),
        (429, {}, SourceUnavailable),
        (500, {}, SourceUnavailable),
        (503, {"retry-after": "7"}, SourceUnavailable),
    ],
)
def test_every_status_becomes_its_error(
    motion: Motion, status: int, headers: dict[str, str], error: type[SourceError]
) -> None:
    leadping = provider()
    for body in ({"title": "Told so", "status": status}, b"<html>gateway</html>"):
        with pytest.raises(error) as caught:
            leadping.parse(leadping.start(motion), answer(body, status, headers))
        assert str(status) in caught.value.reason


def test_a_refusal_says_which_key_is_right() -> None:
    leadping = provider()
    problem = {"title": "Unauthorized", "status": 401, "traceId": "00-1"}
    with pytest.raises(SourceRefused, match=r"Unauthorized.*sk_.*lp_src_"):
        leadping.parse(leadping.start(Sweep()), answer(problem, 401, CHALLENGE))


@pytest.mark.parametrize(
    ("headers", "wish"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "Mon, 01 Jan 2026 00:00:00 +9999999999999"}, None),
    ],
)
def test_the_limit_waits_as_told_or_leaves_it_to_the_caller(
    headers: dict[str, str], wish: float | None
) -> None:
    leadping = provider()
    with pytest.raises(SourceUnavailable) as caught:
        leadping.parse(leadping.start(Sweep()), answer({"title": "Too many"}, 429, headers))
    assert caught.value.retry_after == wish


@pytest.mark.parametrize("motion", [Poll(timedelta(0)), Sweep(), look_up()])
def test_a_400_expires_the_walk_only_if_the_request_carried_a_token(motion: Motion) -> None:
    leadping = provider()
    start = leadping.start(motion)
    second = leadping.parse(start, answer(page(row("a", 9999), token="t"))).next
    with pytest.raises(WalkExpired):
        leadping.parse(second, answer({"title": "Bad token"}, 400))
    if not isinstance(motion, LookUp):
        with pytest.raises(SourceChanged):
            leadping.parse(start, answer({"title": "Bad request"}, 400))


def polled(pages: list[list[dict[str, Any]]], poll: Poll) -> int:
    """Count the pages that a poll reads of an endless list that begins with `pages`."""

    def serve(request: Request) -> Response:
        at = int(request.json.get("continuationToken", "0"))
        return answer(page(*(pages[at] if at < len(pages) else []), token=str(at + 1)))

    return len(list(walk(provider(), poll, serve)))


AT = datetime(2026, 9, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("newest", "minutes", "read"),
    [
        (AT, [[70, 58]], 50),  # exactly at the overlap's edge: there may be more
        (AT, [[70, 57]], 1),
        (AT, [[70], [], [65, 57]], 3),
        (AT, [[70], [57, 80]], 2),  # not in order: the oldest row counts
        (None, [[70, 61], [57]], 50),  # nothing is known yet: to the end
        (AT - timedelta(hours=1), [[61, 57], [-3]], 2),
    ],
)
def test_a_poll_stops_below_what_is_known_less_the_overlap(
    newest: datetime | None, minutes: list[list[int]], read: int
) -> None:
    pages = [[row(f"c-{at}", at) for at in part] for part in minutes]
    assert polled(pages, Poll(timedelta(0), newest)) == read


def test_rows_without_time_stop_no_poll_and_a_poll_is_bounded() -> None:
    assert polled([[row("a", lastEventAt=None)]], Poll(timedelta(0))) == 50


def test_a_sweep_goes_on_to_the_end_whatever_the_times() -> None:
    def serve(request: Request) -> Response:
        at = int(request.json.get("continuationToken", "0"))
        return answer(page(row("a", -(10**6)), token=str(at + 1) if at < 70 else None))

    steps = list(walk(provider(), Sweep(), serve))
    assert len(steps) == 71
    assert steps[-1][1].complete
