"""What a message waits for: one reason for everything that can keep it, in the order in which it counts."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any, get_args

import pytest

from tests.support.make import T0, at, conversation_event, delivery
from watcher.catalogue.events import TIMED_TYPES
from watcher.config.load import load
from watcher.explain.waits import HOLDS, WaitReason, Waits, what_it_waits_for
from watcher.model import Delivery
from watcher.records import ReceiverState
from watcher.rules import Rule, Silence

NOW = T0
EVENT = conversation_event("conversation.unread", changes={})
OFFICE = {"between": ["09:00-18:00"], "timezone": "Europe/Berlin"}


def owed(due: float = 0, **changed: Any) -> Delivery:
    return dataclasses.replace(delivery(EVENT, receiver="crm", due=due, rule="R"), **changed)


def known(tmp_path: Any, rule: str = "", silences: str = "", **receiver: Any) -> Waits:
    """Return what decides, from a configuration as people write it."""
    file = tmp_path / "watcher.yaml"
    file.write_text(
        "sources: {s: {provider: leadping, organization: o, token: t}}\n"
        "receivers: {crm: {type: webhook, url: 'https://crm.example'},"
        " night: {type: webhook, url: 'https://night.example'}}\n"
        f"rules: [{{name: R, when: conversation.unread, notify: crm{rule}}}]\n"
        f"silences: [{silences}]\n"
    )
    loaded = load([file], environ={})
    rules: dict[str, Rule] = {one.name: one for one in loaded.rules}
    held: tuple[Silence, ...] = loaded.silences
    return Waits({"crm": ReceiverState("crm", **receiver)}, rules, held)


OPEN = ", hours: {between: '09:00-18:00', timezone: Europe/Berlin%s}"
SILENCE = "{name: weekend, match: 'true', reason: nobody is in, until: 2026-12-24}"
FIRST = dataclasses.replace(delivery(EVENT, receiver="crm", id="0123456789abcdef"), due=at(60))

TABLE = [
    # the receiver
    ("off", owed(), {"off": "HTTP 410: gone"}, "", "",
     "the receiver crm is off: HTTP 410: gone; turn it on with: inbox-watcher send-test crm", None),
    ("paused", owed(), {"paused": at(300), "why": "HTTP 500"}, "", "",
     "the receiver crm fails (HTTP 500); one message tries it again at 2026-11-20T10:05:00.000Z", 300),
    ("paused", owed(), {"paused": at(-1), "why": "HTTP 500"}, "", "",
     "the receiver crm failed (HTTP 500); one message at a time tries whether it works again", None),
    # its turn
    ("order", owed(), {}, "", "",
     "an earlier delivery of the same conversation goes first: 0123456789ab/crm", 60),
    # its time
    ("turn", owed(-1), {}, "", "", "it is due: its receiver comes to it", None),
    ("turn", owed(-1, attempt=2), {}, "", "",
     "it is due, after 2 failed attempts: its receiver comes to it", None),
    ("turn", owed(5), {}, "", "", "it goes out at 2026-11-20T10:00:05.000Z", 5),
    ("retry", owed(300, attempt=2, note="HTTP 503"), {}, "", "",
     "attempt 3 is at 2026-11-20T10:05:00.000Z; the last one: HTTP 503", 300),
    ("retry", owed(300, attempt=1, kind="for", timer="R"), {}, "", "",
     "attempt 2 is at 2026-11-20T10:05:00.000Z", 300),
    ("hours", owed(79_200, held=True), {}, OPEN % "", "",
     "the hours of the rule 'R' open at 2026-11-21T08:00:00.000Z: it goes out then", 79_200),
    ("hours", owed(79_200, held=True, batch="hours||2026-11-21T08:00:00.000Z"), {}, "", "",
     "the hours of the rule 'R' open at 2026-11-21T08:00:00.000Z: it goes out then,"
     " with what else is held until then", 79_200),
    ("digest", owed(3600, kind="digest", batch="R||x"), {}, "", "",
     "the rule 'R' collects until 2026-11-20T11:00:00.000Z: one message then", 3600),
    ("timer", owed(900, kind="for", timer="R"), {}, "", "",
     "the rule 'R' tells it at 2026-11-20T10:15:00.000Z, if it is still unread then", 900),
    ("repeat", owed(900, kind="repeat", timer="R", number=2), {}, "", "",
     "the rule 'R' tells it again at 2026-11-20T10:15:00.000Z, if it is still unread then", 900),
    # what will be decided when it is due
    ("timer", owed(900, kind="for", timer="R"), {}, "", SILENCE,
     "the rule 'R' tells it at 2026-11-20T10:15:00.000Z, if it is still unread then; but then it would"
     " not be sent: silenced until 2026-12-25T00:00:00.000Z by weekend: nobody is in", 900),
    ("timer", owed(8 * 3600, kind="for", timer="R"), {}, OPEN % "", "",
     "the rule 'R' tells it at 2026-11-20T18:00:00.000Z, if it is still unread then; then it is held"
     " until 2026-11-21T08:00:00.000Z: outside the hours of the rule 'R'", 79_200),
    ("timer", owed(8 * 3600, kind="for", timer="R"), {}, OPEN % ", otherwise: drop", "",
     "the rule 'R' tells it at 2026-11-20T18:00:00.000Z, if it is still unread then; but then it would"
     " not be sent: dropped: outside the hours of the rule 'R'", 8 * 3600),
    ("timer", owed(8 * 3600, kind="for", timer="R"), {}, OPEN % ", otherwise: night", "",
     "the rule 'R' tells it at 2026-11-20T18:00:00.000Z, if it is still unread then; then redirected to"
     " night: outside the hours of the rule 'R'", 8 * 3600),
]  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "one", "receiver", "rule", "silences", "text", "until"),
    TABLE,
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_what_waits_says_what_for(
    reason: str,
    one: Delivery,
    receiver: dict[str, Any],
    rule: str,
    silences: str,
    text: str,
    until: float | None,
    tmp_path: Any,
) -> None:
    decides = known(tmp_path, rule, silences, **receiver)
    first = FIRST if reason == "order" else None
    wait = what_it_waits_for(one, decides, NOW, first=first)
    assert wait is not None
    assert (wait.reason, wait.text) == (reason, text)
    assert wait.until == (None if until is None else T0 + timedelta(seconds=until))
    assert wait.to_plain()["reason"] == reason


def test_every_reason_is_in_the_table() -> None:
    assert {row[0] for row in TABLE} == set(get_args(WaitReason))


def test_every_state_that_lasts_has_words() -> None:
    assert set(HOLDS) == set(TIMED_TYPES)


@pytest.mark.parametrize("state", ["delivered", "dead", "cancelled"])
def test_what_is_settled_waits_for_nothing(state: Any, tmp_path: Any) -> None:
    assert what_it_waits_for(owed(state=state), known(tmp_path, off="gone"), NOW) is None


def test_what_does_not_go_in_order_waits_for_nobody(tmp_path: Any) -> None:
    timer = owed(900, kind="for", timer="R")
    wait = what_it_waits_for(timer, known(tmp_path), NOW, first=FIRST)
    assert wait is not None
    assert wait.reason == "timer"
