"""Older conversations that come into view after the baseline: is what is young in them told, and no more?

Rules: reads a finished run. Such a row joins silently; its last message, unread and waiting are told
where they are younger than the baseline.
"""

from __future__ import annotations

from datetime import timedelta

from tests.support.virtual_time import START

from .chronicle import TIE, Chronicle
from .truth import Past
from .waits import seconds_of, tells

__all__ = ["judge_late"]


def judge_late(chronicle: Chronicle) -> None:
    """Judge what came late in one reign; Leadping shows no creation time, so nothing is late there."""
    if chronicle.kind == "leadping":
        return
    for subject in chronicle.reign.account.conversations:
        past = chronicle.reign.past(subject, mapped=False)
        assert past is not None
        if subject not in chronicle.known and past.created < chronicle.began - TIE:
            _judge(chronicle, subject, past)


def _judge(chronicle: Chronicle, subject: str, past: Past) -> None:
    start = next((start for start, _, there, _ in past.presence() if there), None)
    if start is None or start <= chronicle.baselined:
        return
    looks = chronicle.looks.get(subject, [])
    told = looks[0].types if looks else []
    if "conversation.created" in told and not looks[0].entries[0].event.data.get("returned"):
        return  # judged elsewhere
    moment = past.moments[past.at(start)]
    assert moment.plain is not None
    message = moment.plain["last_message"]
    at = None if message is None else seconds_of(message["at"]) - chronicle.reign.source.clock_off
    young = at is not None and at > chronicle.baselined + TIE
    old = at is None or at < chronicle.since - TIE - chronicle.doubt
    end = past.end(past.at(start))
    if young and chronicle.reign.stands(start, end) and "conversation.message" not in told:
        chronicle.wrong(start, f"{subject} came late with a new message: told {told or 'nothing'}")
    if not looks or looks[0].seen > end:
        return
    news = {"conversation.message", "conversation.unread", "conversation.waiting"} & set(told)
    if old and news:
        chronicle.wrong(looks[0].at, f"{subject} came late with nothing new: told {told}")
    if not young or "conversation.message" not in told:
        return
    state = chronicle.reign.account.conversations[subject].as_of(START + timedelta(seconds=start))
    assert state is not None
    # Whether it is unread is not told where no row has shown that.
    unread = moment.plain["unread"] and "unread" not in chronicle.unseen(subject, looks[0], set())
    waits = tells(chronicle.kind, state) and moment.plain["waiting_since"] is not None
    for name, holds in (("unread", unread), ("waiting", waits)):
        if holds and f"conversation.{name}" not in told:
            chronicle.wrong(looks[0].at, f"{subject} came late and is {name}: told {told}")
