"""Which version a Chatwoot is, and what that version cannot tell: `chatwoot.versions`."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.docs.pages import read, rows
from tests.providers.chatwoot_harness import answer, chatwoot
from watcher.providers import Request
from watcher.providers.chatwoot.versions import LEAST, MILESTONES, limits

API = {"version": "4.15.1", "timestamp": "2026-06-17 10:00:00", "queue_services": "ok"}


def test_the_version_is_asked_outside_of_the_account() -> None:
    provider = chatwoot(base_url="https://example.com/chat")
    assert provider.request(provider.about) == Request("/api")


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (API, 200, "4.15.1"),
        ({"version": "2.16.0"}, 200, "2.16.0"),
        ({"version": "v3.16.0"}, 200, "3.16.0"),
        ({"version": "4.13.0-fork.7"}, 200, "4.13.0-fork.7"),
        ({"version": "4.15"}, 200, "4.15"),
        # A proxy hides it, or answers itself; another server knows nothing of the route.
        ({"error": "Not Found"}, 404, None),
        ({"errors": ["You need to sign in or sign up before continuing."]}, 401, None),
        ({"version": "4.15.1"}, 403, None),
        ({"version": "4.15.1"}, 500, None),
        ({}, 429, None),
        ({}, 200, None),
        ([], 200, None),
        ({"version": None}, 200, None),
        ({"version": 4}, 200, None),
        ({"version": ["4.15.1"]}, 200, None),
        ({"version": "develop"}, 200, None),
        ({"version": "4.15.1\n"}, 200, None),
        ({"version": "4.15.1; <b>"}, 200, None),
        ({"version": "4.15.1-" + "x" * 17}, 200, None),
        ({"version": "99999.1"}, 200, None),
        ({"version": "\u0664.\u0661"}, 200, None),
    ],
)
def test_an_answer_tells_the_version_or_nothing(body: Any, status: int, told: str | None) -> None:
    provider = chatwoot()
    page = provider.parse(provider.about, answer(body, status))
    assert page.capabilities == ({} if told is None else {"version": told})
    assert (page.rows, page.next, page.verdict) == ((), None, None)


@pytest.mark.parametrize("text", [b"", b"<!doctype html><title>Sign in</title>", b"{", b"\xff"])
def test_a_page_of_a_proxy_tells_nothing(text: bytes) -> None:
    provider = chatwoot()
    assert provider.parse(provider.about, answer(text=text)).capabilities == {}


PRIORITIES = "priorities are not shown"
ORDER = "no order of the list stands still"
WINDOWS = "a poll sees new activity alone"
SLA = "the status of an SLA is not shown"
WAITS = "the server's own `waiting_since` is not shown"
LABELS = "a label that is deleted stays on its conversations"
EDITS = "an edited or deleted message moves no time stamp"
OLD = "it is older than 2.16, the oldest version that the watcher was tried with"


@pytest.mark.parametrize(
    ("version", "cannot"),
    [
        ("2.15.9", [OLD, PRIORITIES, WAITS, ORDER, WINDOWS, SLA, LABELS]),
        ("2.16.0", [PRIORITIES, WAITS, ORDER, WINDOWS, SLA, LABELS]),
        ("2.18.0", [WAITS, ORDER, WINDOWS, SLA, LABELS]),
        ("3.3.1", [ORDER, WINDOWS, SLA, LABELS]),
        ("3.4.0", [WINDOWS, SLA, LABELS]),
        ("3.6.0", [SLA, LABELS]),
        ("3.16.0", [SLA, LABELS]),
        ("4.1.0", [LABELS]),
        ("4.12.0-fork.1", [EDITS, LABELS]),
        ("4.13", [EDITS, LABELS]),
        ("4.15.1", [EDITS]),
        ("5.0.0", [EDITS]),
        (None, []),
        ("develop", []),
    ],
)
def test_what_a_version_cannot_tell(version: str | None, cannot: list[str]) -> None:
    found = limits(version)
    assert len(found) == len(cannot)
    assert all(line.startswith(start) for line, start in zip(found, cannot, strict=True))
    provider = chatwoot()
    provider.set_capabilities({"version": version})
    assert provider.limits == found


def test_milestones_stand_in_order_from_the_least_version_on() -> None:
    assert all(one.since < other.since for one, other in pairwise(MILESTONES))
    assert MILESTONES[0].since > LEAST


def test_nothing_is_decided_by_the_version() -> None:
    """The same position and the same request, whatever the server says it is."""
    plain, told = chatwoot(), chatwoot()
    told.set_capabilities({"version": "2.16.0"})
    assert plain.cost(1000) == told.cost(1000)
    assert plain.about == told.about


def test_the_page_about_versions_has_the_table() -> None:
    page = read("providers/chatwoot.md")
    least = ".".join(map(str, LEAST))
    assert f"The least version supported is {least}." in page
    table = [cells for cells in rows(page) if cells[0][0].isdigit()]
    assert [(cells[0], cells[1]) for cells in table] == [
        (".".join(map(str, one.since)), one.what) for one in MILESTONES
    ]
    for cells, one in zip(table, MILESTONES, strict=True):
        lost = [f"before it: {one.before}"] if one.before else []
        lost += [f"since it: {one.after}"] if one.after else []
        assert cells[2] == ("; ".join(lost) or "–")
