"""The demonstration: its scorecard is honest, its receiver checks, and the command shows it all."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from watcher.clock import wall_clock
from watcher.config.load import load
from watcher.demo.receiver import Arrival, Inbound
from watcher.demo.scenes import open_scenes, write_configuration
from watcher.demo.scorecard import PATIENCE, Change, score
from watcher.simulator import TruthEntry, World, leadping
from watcher.transport import Transport

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
PATIENT = 90
"""Seconds for a command on a slow and busy machine; it takes about 14."""


# The scorecard


def change(number: int, age: float = 1.0) -> Change:
    """Make a change that is `age` seconds old."""
    entry = TruthEntry(
        at=NOW - timedelta(seconds=age),
        account="chatwoot/3",
        conversation=str(number % 3),
        type="conversation.assigned",
        before={"assignee": None},
        after={"assignee": {"id": str(number % 5), "name": "Grace Hill"}},
    )
    return Change("support", entry)


def arrival(of: Change, **different: Any) -> Arrival:
    """Make the arrival that belongs to a change, perhaps with something different in it."""
    entry = of.entry
    changes = {
        name: {"before": entry.before[name], "after": value} for name, value in entry.after.items()
    }
    data = {"source": of.source, "changes": changes, **entry.extra, **different}
    return Arrival(NOW, {"subject": entry.conversation, "type": entry.type, "data": data})


@given(st.lists(st.integers(0, 20)), st.data())
def test_whatever_arrives_in_any_order_is_matched_and_the_rest_is_lacking(
    numbers: list[int], data: st.DataObject
) -> None:
    changes = [change(number) for number in numbers]
    came = data.draw(st.permutations(range(len(changes))))[: data.draw(st.integers(0, 30))]
    scorecard = score(changes, [arrival(changes[index]) for index in came], NOW)
    assert len(scorecard.delays) == len(came)
    assert len(scorecard.under_way) == len(changes) - len(came)
    assert (scorecard.missed, scorecard.invented) == ((), ())


@given(st.lists(st.integers(0, 20), min_size=1), st.integers(1, 3))
def test_whatever_arrives_more_often_than_it_happened_is_invented(
    numbers: list[int], too_often: int
) -> None:
    changes = [change(number) for number in numbers]
    arrivals = [arrival(one) for one in changes] + [arrival(changes[0])] * too_often
    assert len(score(changes, arrivals, NOW).invented) == too_often


@pytest.mark.parametrize(
    "different",
    [
        {"source": "sales"},
        {"changes": {}},
        {"changes": {"assignee": {"before": None, "after": {"id": "9", "name": "Grace Hill"}}}},
        {"reason": "deleted"},
    ],
)
def test_an_arrival_with_wrong_content_is_no_arrival(different: Mapping[str, Any]) -> None:
    scorecard = score([change(1)], [arrival(change(1), **different)], NOW)
    assert len(scorecard.under_way) == len(scorecard.invented) == 1


def test_a_change_is_missed_only_after_it_should_have_arrived() -> None:
    patience = PATIENCE.total_seconds()
    scorecard = score([change(1, age=patience - 1), change(2, age=patience + 1)], [], NOW)
    assert [one.entry.after["assignee"]["id"] for one in scorecard.under_way] == ["1"]
    assert [one.entry.after["assignee"]["id"] for one in scorecard.missed] == ["2"]


def test_extras_that_only_the_provider_tracks_do_not_matter_but_others_do() -> None:
    entry = replace(
        change(1).entry,
        before={"attributes": {"starred": False}},
        after={"attributes": {"starred": True}},
    )
    before = {"starred": False, "inbox": "1"}
    right = {"before": before, "after": {"starred": True, "inbox": "1"}}
    wrong = {"before": before, "after": {"starred": True, "inbox": "2"}}
    starred = Change("support", entry)
    for sides, count in ((right, 1), (wrong, 0)):
        came = arrival(starred, changes={"attributes": sides})
        assert len(score([starred], [came], NOW).delays) == count


def test_events_of_the_watcher_itself_are_not_scored() -> None:
    baselined = Arrival(NOW, {"type": "source.baselined", "data": {"source": "support"}})
    assert score([], [baselined], NOW).invented == ()


SINCE = "2026-11-20T09:59:00.000Z"


def wait(age: float, before: str | None, after: str | None, **extra: Any) -> Change:
    """Make a change of who waits."""
    entry = TruthEntry(
        at=NOW - timedelta(seconds=age),
        account="chatwoot/3",
        conversation="7",
        type=f"conversation.{'answered' if after is None else 'waiting'}",
        before={"waiting_since": before},
        after={"waiting_since": after},
        extra=extra,
    )
    return Change("support", entry)


BEGINS = wait(40, None, SINCE)
ENDS = wait(30, SINCE, None, outcome="answered")


def later(kind: str) -> Arrival:
    """Make what the rule sends later of the wait: that it lasts, or that it is over."""
    about = {"rule": "Nobody answers", "kind": kind, "event": "e1", "count": 1}
    return arrival(BEGINS, delivery=about)


@pytest.mark.parametrize(
    ("changes", "told", "counts"),
    [
        ([BEGINS], ["for"], (1, 0, 0, 0)),
        ([BEGINS, ENDS], ["for", "resolved"], (1, 1, 0, 0)),
        ([BEGINS, ENDS], ["for"], (1, 0, 1, 0)),
        ([BEGINS, ENDS], [], (0, 0, 0, 0)),
        ([BEGINS], ["for", "resolved"], (1, 1, 0, 1)),
        ([BEGINS, ENDS], ["resolved"], (0, 1, 0, 1)),
    ],
)
def test_a_wait_that_was_told_has_one_end_that_is_told(
    changes: list[Change], told: list[str], counts: tuple[int, int, int, int]
) -> None:
    arrivals = [arrival(one) for one in changes] + [later(kind) for kind in told]
    card = score(changes, arrivals, NOW)
    assert (card.escalated, card.resolved, len(card.missed), len(card.invented)) == counts


# The receiver


async def test_the_receiver_takes_only_what_is_signed_and_counts_repeats() -> None:
    shown: list[Arrival] = []
    inbound = Inbound(lambda: NOW, shown.append, lambda _receiver, _title, _body: None)
    body = b'{"type": "conversation.read"}'
    signed_at = wall_clock().replace(microsecond=0)  # the library compares it with its own clock
    headers = {
        "webhook-id": "one",
        "webhook-timestamp": str(int(signed_at.timestamp())),
        "webhook-signature": Webhook(inbound.secret).sign("one", signed_at, body.decode()),
    }
    answers = []
    async with Transport(wall_clock, mount={"http://crm.example": inbound.app}) as transport:
        post = transport.webhook()
        for content, sent in ((body, headers), (body, headers), (body + b" ", headers), (body, {})):
            answers.append(
                await post("http://crm.example/crm", content=content, headers=sent, timeout=5)
            )
    assert [answer.status for answer in answers] == [204, 204, 401, 401]
    assert [dict(one.event) for one in shown] == [json.loads(body)]
    assert (len(inbound.arrivals), inbound.repeats, inbound.refused) == (1, 1, 2)


async def test_a_request_that_is_cut_off_raises_nothing() -> None:
    """Else the end of the demonstration would print a traceback."""
    world = World(lambda: NOW)
    world.open_account("leadping", "org-leads")
    inbound = Inbound(lambda: NOW, lambda _arrival: None, lambda _receiver, _title, _body: None)
    token = b"Bearer " + next(iter(world.accounts.values())).token.encode()
    for app, path in (
        (leadping.app(world), "/conversations/my"),
        (inbound.app, "/crm"),
        (inbound.app, "/team"),
    ):
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async def send(message: Any, sent: list[Any] = sent) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "POST", "path": path, "query_string": b"",
            "headers": [(b"authorization", token)],
        }  # fmt: skip
        await app(scope, receive, send)
        assert sent[0]["status"] == 400


# The configuration


def test_the_configuration_is_valid_and_has_no_secret_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "it's $HOME: {here}"
    folder.mkdir()
    scenes = open_scenes(lambda: NOW)
    file = write_configuration(
        folder,
        scenes,
        "whsec_bm90IGEgcmVhbCBzZWNyZXQgYXQgYWxsLCBub25l",
        ports=range(7001, 7008),
        health=1,
    )
    config = load([file], environ={})
    assert config.warnings == ()
    assert str(config.store) == str(folder / "watcher.db")
    assert {source.provider for source in config.sources} == {
        "chatwoot", "highlevel", "leadping", "leadway",
    }  # fmt: skip
    assert [source.token.read() for source in config.sources] == [
        scene.account.token for scene in scenes
    ]
    text = file.read_text(encoding="utf-8")
    assert not any(secret in text for secret in ("whsec_", *(s.account.token for s in scenes)))
    assert all(one.stat().st_mode & 0o077 == 0 for one in (folder / "secrets").iterdir())


# The words


# The command


@contextmanager
def demo(tmp_path: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start the command from a folder of its own, behind proxies that lead nowhere."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    nowhere = dict.fromkeys(
        ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
        "http://127.0.0.1:9",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "watcher", "demo", *options],
        cwd=folder,
        env={**os.environ, **nowhere, "TMPDIR": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()
        assert list(folder.iterdir()) == []


DELIVERED = re.compile(r"^ *([\d.]+)s +webhook +(\w+) +\w+ +conversation\.\w+ +signature verified")
STORY = (
    r"world +chatwoot support +.* is new, writes: .* The inbox greets: ",
    r"event +chatwoot support +conversation\.waiting +",
    r"webhook +chatwoot support +conversation\.waiting +signature verified, it lasts: Nobody answers",
    r"message +Apprise → team +Waiting for an answer: ",
    r"message +Apprise → manager +Waiting for an answer: ",
    r"world +chatwoot support +an agent answers ",
    r"event +chatwoot support +conversation\.answered +",
    r"webhook +chatwoot support +conversation\.waiting +signature verified, over after \d+ s: ",
    r"message +Apprise → team +Answered: ",
    r"message +Apprise → manager +Answered: ",
)
"""A customer waits, the team and then the manager are told, somebody answers, and both are told that."""


def test_the_demo_delivers_signed_events_of_every_provider_in_time(tmp_path: Path) -> None:
    with demo(tmp_path, "--for", "26s", "--keep") as process:
        out, err = process.communicate(timeout=PATIENT)
    assert (process.returncode, err) == (0, "")
    first: dict[str, float] = {}
    for found in filter(None, map(DELIVERED.match, out.splitlines())):
        first.setdefault(found[2], float(found[1]))
    assert first.keys() == {"chatwoot", "highlevel", "leadping", "leadway"}, out
    assert max(first.values()) < 15
    assert " 0 missed." in out
    assert "\x1b" not in out
    assert re.search(r"message +Apprise → team +Unread: ", out), out
    places = [re.search(line, out) for line in STORY]
    assert all(places), out
    starts = [place.start() for place in places if place is not None]
    assert starts[:2] == sorted(starts[:2])
    assert max(starts[:5]) < min(starts[5:])
    assert re.search(
        r"event +leadway clinic +conversation\.\w*assigned .* to [A-Z][a-z]+ [A-Z][a-z]+\n", out
    ), out
    told = r"[12] customers? waited too long and people were told: 1 of these waits ended"
    assert re.search(told, out), out
    kept = next(tmp_path.glob("inbox-watcher-demo-*"))
    assert str(kept / "watcher.yaml") in out
    assert load([kept / "watcher.yaml"], environ={}).store.path == kept / "watcher.db"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_demo_with_its_summary(tmp_path: Path, number: signal.Signals) -> None:
    with demo(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if DELIVERED.match(line):
                break
        process.send_signal(number)
        asked = time.monotonic()
        out, err = process.communicate(timeout=PATIENT)
    assert (process.returncode, err) == (0, "")
    assert time.monotonic() - asked < 15
    assert " 0 missed." in out
    assert "are kept in" not in out
    assert list(tmp_path.glob("inbox-watcher-demo-*")) == []
