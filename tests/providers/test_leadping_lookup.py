"""Leadping's look-ups and check: each verdict, and that nothing is said without proof."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.providers.leadping_harness import CHALLENGE, answer, look_up, page, provider, row, walk
from watcher.errors import SourceChanged, SourceRefused, SourceUnavailable
from watcher.providers import Check, Request, Response


class Desk:
    """Answers by path and archiveFilter; notes what was asked."""

    def __init__(self, **answers: Response) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, request: Request) -> Response:
        archive = dict(request.params).get("archiveFilter")
        if request.path == "/conversations/my":
            name = "inbox"
        elif request.path == "/leads/l-1":
            name = "lead"
        else:
            assert request.path == "/conversations/lead/l-1"
            name = str(archive)
        self.asked.append(name)
        return self.answers[name]


EMPTY = answer(page())
HERE = answer(page(row("c-9"), row("c-1", isArchived=True)))
OTHERS = answer(page(row("c-9")))
LIVE = answer({"id": "l-1", "deletedAt": None})
OWNER = answer({"title": "Unauthorized", "detail": "The user does not own this lead"}, 401)


DELETED = answer({"id": "l-1", "deletedAt": "2026-09-01T00:00:00Z"})
FORBIDDEN = answer(status=403)
NO_SUCH = answer({"title": "The specified lead was not found"}, 404)
BAD = answer(status=400)
DEAD = answer({"title": "Unauthorized"}, 401, CHALLENGE)
BLURRED = answer(page({"id": {}, "isUnread": False}))


@pytest.mark.parametrize(
    ("desk", "verdict", "asked"),
    [
        (Desk(all=HERE), "found", "all"),
        (Desk(all=OTHERS, archived=EMPTY, lead=NO_SUCH), "deleted", "all archived lead"),
        (Desk(all=EMPTY, archived=EMPTY, lead=DELETED), "deleted", "all archived lead"),
        (Desk(all=OTHERS, archived=EMPTY, lead=LIVE), "unknown", "all archived lead"),
        (Desk(all=EMPTY, archived=EMPTY, lead=LIVE), "found", "all archived lead"),
        (Desk(all=NO_SUCH, lead=NO_SUCH), "deleted", "all lead"),
        (
            Desk(all=DEAD, lead=DEAD, inbox=EMPTY),  # a challenge, and the token works
            "access_lost",
            "all lead inbox lead",
        ),
        (
            Desk(all=EMPTY, archived=EMPTY, lead=OWNER, inbox=EMPTY),
            "access_lost",
            "all archived lead inbox lead",
        ),
        (Desk(all=OWNER, lead=OWNER, inbox=EMPTY), "access_lost", "all lead inbox lead"),
        (Desk(all=OWNER, lead=FORBIDDEN, inbox=EMPTY), "access_lost", "all lead inbox lead"),
        (Desk(all=OTHERS, archived=BAD, lead=LIVE), "unknown", "all archived lead"),
        (Desk(all=OTHERS, archived=BLURRED, lead=LIVE), "unknown", "all archived lead"),
        (Desk(all=BAD, lead=LIVE), "found", "all lead"),
        (Desk(all=BLURRED, lead=LIVE), "found", "all lead"),
    ],
)
def test_an_absence_is_looked_up_until_something_is_proved(
    desk: Desk, verdict: str, asked: str
) -> None:
    steps = [parsed for _, parsed in walk(provider(), look_up(), desk)]
    assert [parsed.verdict for parsed in steps] == [None] * (len(steps) - 1) + [verdict]
    assert " ".join(desk.asked) == asked
    if desk.asked == ["all"]:
        assert [seen.id for seen in steps[-1].rows] == ["c-9", "c-1"]


def test_a_token_that_is_renewed_meanwhile_takes_no_access_away() -> None:
    leads = [DEAD, LIVE]
    desk = Desk(all=EMPTY, archived=EMPTY, inbox=EMPTY)

    def serve(request: Request) -> Response:
        return leads.pop(0) if request.path == "/leads/l-1" else desk(request)

    steps = [parsed for _, parsed in walk(provider(), look_up(), serve)]
    assert steps[-1].verdict == "found"
    assert leads == []


def test_a_look_up_walks_all_pages_of_the_lead() -> None:
    def serve(request: Request) -> Response:
        if "continuationToken" not in request.json:
            return answer(page(row("c-9"), token="t"))
        return HERE

    steps = list(walk(provider(), look_up(), serve))
    assert [parsed.verdict for _, parsed in steps] == [None, "found"]
    assert {request.path for request, _ in steps} == {"/conversations/lead/l-1"}


@pytest.mark.parametrize(
    "desk",
    [
        Desk(all=DEAD, lead=DEAD, inbox=DEAD),
        Desk(all=EMPTY, archived=EMPTY, lead=DEAD, inbox=DEAD),
        Desk(all=EMPTY, archived=EMPTY, lead=OWNER, inbox=answer(status=401)),
        Desk(all=EMPTY, archived=EMPTY, lead=answer(status=403), inbox=answer(status=403)),
        Desk(all=answer(status=401), lead=answer(status=401), inbox=answer(status=401)),
    ],
)
def test_a_dead_token_is_never_taken_for_lost_access(desk: Desk) -> None:
    with pytest.raises(SourceRefused, match="sk_"):
        list(walk(provider(), look_up(), desk))


def test_a_row_that_only_the_archived_list_shows_proves_a_wrong_filter() -> None:
    with pytest.raises(SourceRefused, match=r"hides archived.*archive_filter"):
        list(walk(provider(), look_up(), Desk(all=OTHERS, archived=HERE)))


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b'{"id": "l-1", "deletedAt": "once"}', b'{"items": []}']
)
def test_an_answer_that_is_no_lead_proves_nothing(body: bytes) -> None:
    desk = Desk(all=EMPTY, archived=EMPTY, lead=answer(body))
    with pytest.raises(SourceChanged, match="is not a lead"):
        list(walk(provider(), look_up(), desk))


def test_trouble_in_a_look_up_is_trouble_and_no_verdict() -> None:
    for status in (429, 500, 503):
        desk = Desk(all=EMPTY, archived=EMPTY, lead=answer(status=status))
        with pytest.raises(SourceUnavailable):
            list(walk(provider(), look_up(), desk))


def test_a_suspicion_asks_the_leads_list_alone() -> None:
    for listed, verdict in ((HERE, "found"), (OTHERS, "unknown"), (answer(status=404), "unknown")):
        desk = Desk(all=listed)
        steps = list(walk(provider(), look_up(why="suspect"), desk))
        assert [parsed.verdict for _, parsed in steps] == [verdict]


def test_without_a_known_lead_a_look_up_knows_nothing() -> None:
    steps = list(walk(provider(), look_up(None), Desk(inbox=OTHERS)))
    assert [parsed.verdict for _, parsed in steps] == ["unknown"]
    assert steps[0][0].json["pageSize"] == 1


class Inbox:
    """A small Leadping: `knows` maps values of archiveFilter to what they show (None: both)."""

    def __init__(self, rows: list[dict[str, Any]], knows: dict[Any, Any], *, size: int = 2) -> None:
        self.rows = rows
        self.knows: dict[Any, Any] = {None: False} | knows
        self.size = size
        self.requests = 0

    def __call__(self, request: Request) -> Response:
        self.requests += 1
        value = dict(request.params).get("archiveFilter")
        shows = self.knows.get(value, 400)
        if shows == 400:
            return answer({"title": "One or more validation errors occurred."}, 400)
        kept = [plain for plain in self.rows if shows is None or plain["isArchived"] == shows]
        kept.sort(key=lambda plain: plain["lastEventAt"], reverse=True)
        at = int(request.json.get("continuationToken", "0"))
        more = str(at + self.size) if at + self.size < len(kept) else None
        return answer(page(*kept[at : at + self.size], token=more))


def mixed(active: int, archived: int, gap: int = 0) -> list[dict[str, Any]]:
    """Return active rows, newest first, and archived ones that are `gap` minutes older."""
    return [row(f"a-{at}", -at) for at in range(active)] + [
        row(f"z-{at}", -at - gap, isArchived=True) for at in range(archived)
    ]


NAMES = {"all": None, "archived": True}
NUMBERS = {"2": None, "1": True}
IGNORES = {"all": False, "archived": True}


@pytest.mark.parametrize(
    ("rows", "knows", "value"),
    [
        (mixed(1, 1), NAMES, "all"),
        (mixed(5, 1, gap=3), NAMES, "all"),
        (mixed(4, 0), NAMES, "all"),
        (mixed(0, 4), NAMES, "all"),
        ([], NAMES, "all"),
        (mixed(3, 3, gap=9), NUMBERS, 2),
        (mixed(40, 1, gap=99), IGNORES, "all"),  # further down than is searched: not proved
        (mixed(3, 3, gap=9), {"all": None}, "all"),  # nothing shows archived rows alone
        (mixed(3, 0), {"all": False, "archived": False}, "all"),  # nothing archived yet
        (mixed(3, 3, gap=9), {"all": False, "archived": False}, "all"),  # ignored altogether
    ],
)
def test_a_check_accepts_what_is_right_or_not_proved_wrong(
    rows: list[dict[str, Any]], knows: dict[Any, Any], value: Any
) -> None:
    inbox = Inbox(rows, knows)
    steps = list(walk(provider(archive_filter=value), Check(), inbox))
    assert inbox.requests <= 8
    assert all(parsed.rows == () for _, parsed in steps)


@pytest.mark.parametrize(
    ("rows", "knows", "value", "said"),
    [
        (mixed(3, 1, gap=9), {}, "all", "archiveFilter=all is refused .*for instance 2"),
        (mixed(3, 1, gap=9), NAMES, 2, "archiveFilter=2 is refused .*for instance all"),
        (mixed(6, 3), IGNORES, "all", "archiveFilter=all hides archived"),
        (mixed(3, 1, gap=9), IGNORES, "all", "archiveFilter=all hides archived"),
        (mixed(0, 3), IGNORES, "all", "archiveFilter=all hides archived"),
        (mixed(3, 9), NAMES, "archived", "archiveFilter=archived hides active"),
        (mixed(3, 0), {"all": True, "archived": True}, "all", "archiveFilter=all hides active"),
        (mixed(3, 3, gap=1), NUMBERS | {"0": False}, 0, "archiveFilter=0 hides archived"),
    ],
)
def test_a_check_refuses_on_proof(
    rows: list[dict[str, Any]], knows: dict[Any, Any], value: Any, said: str
) -> None:
    inbox = Inbox(rows, knows)
    with pytest.raises(SourceRefused, match=said) as caught:
        list(walk(provider(archive_filter=value), Check(), inbox))
    assert "archive_filter" in caught.value.remedy
    assert inbox.requests <= 8


@given(
    kinds=st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=14),
    size=st.integers(1, 5),
    moves=st.lists(st.tuples(st.integers(0, 13), st.booleans()), max_size=8),
)
def test_a_check_never_refuses_a_right_filter_while_rows_move(
    kinds: list[tuple[bool, int]], size: int, moves: list[tuple[int, bool]]
) -> None:
    rows = [row(f"c-{n}", at, isArchived=kind) for n, (kind, at) in enumerate(kinds)]
    inbox, waiting = Inbox(rows, NAMES, size=size), list(moves)

    def serve(request: Request) -> Response:
        response = inbox(request)
        if waiting and rows:
            place, kind = waiting.pop()
            newer = row("x", 100 + inbox.requests)["lastEventAt"]
            rows[place % len(rows)].update(isArchived=kind, lastEventAt=newer)
        return response

    list(walk(provider(), Check(), serve))
    assert inbox.requests <= 8


def test_a_list_that_is_not_in_order_proves_nothing() -> None:
    def serve(request: Request) -> Response:
        if dict(request.params) == {"archiveFilter": "archived"}:
            return answer(page(row("z", 50, isArchived=True)))
        at = int(request.json.get("continuationToken", "0"))
        return answer(page(row("a", 10), row("b", 90), token=str(at + 1)))

    assert list(walk(provider(), Check(), serve))


def test_a_check_without_is_archived_says_that_the_api_has_changed() -> None:
    plain = row("a")
    del plain["isArchived"]
    leadping = provider()
    with pytest.raises(SourceChanged, match="isArchived"):
        leadping.parse(leadping.start(Check()), answer(page(plain)))


def test_a_check_that_is_refused_with_and_without_the_filter_blames_the_request() -> None:
    with pytest.raises(SourceChanged, match="does not accept our request"):
        list(walk(provider(), Check(), lambda _: answer({"title": "No such field"}, 400)))
