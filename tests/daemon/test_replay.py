"""Replays of events: redirected messages are due at once, and ends have the reasons they had."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watcher.config.load import load
from watcher.daemon.replay import Replay, plans_for
from watcher.model import Conversation, Event, Message, Observation, to_plain

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)


@pytest.mark.parametrize("receivers", [("team", "night"), ("night", "team")])
async def test_what_is_redirected_goes_out_whatever_the_order_of_receivers(
    tmp_path: Path, receivers: tuple[str, str]
) -> None:
    file = tmp_path / "watcher.yaml"
    file.write_text(
        "sources: {s: {provider: chatwoot, base_url: 'http://x.example', account_id: 1, token: t}}\n"
        "receivers:\n"
        + "".join(f"  {one}: {{type: webhook, url: 'http://x.example'}}\n" for one in receivers)
        + "rules:\n"
        "- {name: office, when: conversation.unread, notify: team,\n"
        "   hours: {between: '08:00-09:00', otherwise: night}}\n"
    )
    config = load([file], environ={})
    data = {"source": "s", "provider": "chatwoot", "conversation": to_plain(Conversation("c1"))}
    replay = Replay(config, await plans_for(config), T0)
    await replay.record_events([Event("e1", "conversation.unread", "s", "c1", T0, data)])
    assert [(one.at, one.receiver, one.rules) for one in replay.sent] == [
        (T0, "night", ("office",))
    ]


async def test_what_is_played_is_what_happened_and_no_torn_row(tmp_path: Path) -> None:
    file = tmp_path / "watcher.yaml"
    file.write_text(
        "sources: {s: {provider: chatwoot, base_url: 'http://x.example', account_id: 1, token: t}}\n"
        "receivers: {team: {type: webhook, url: 'http://x.example'}}\n"
        "rules: [{name: all, when: conversation.*, notify: team}]\n"
    )
    config = load([file], environ={})
    replay = Replay(config, await plans_for(config), T0)
    words = Message("Hello?", "inbound", "sms", T0)
    shown = {"unread": True, "last_message": words, "contact.id": "p1", "contact.name": "Ana"}
    await replay.see("s", "chatwoot", Observation("c1", shown), None)
    gone = {"unread": False, "last_message": None, "contact.id": None, "contact.name": None}
    types = await replay.see("s", "chatwoot", Observation("c1", gone), None)
    assert {"conversation.read", "conversation.updated", "conversation.contact_changed"} <= {*types}


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [("answered", "it was answered"), ("closed", "it was closed without an answer")],
)
async def test_the_end_of_a_wait_says_why_whichever_event_shows_it_first(
    tmp_path: Path, outcome: str, reason: str
) -> None:
    file = tmp_path / "watcher.yaml"
    file.write_text(
        "sources: {s: {provider: chatwoot, base_url: 'http://x.example', account_id: 1, token: t}}\n"
        "receivers: {team: {type: webhook, url: 'http://x.example'}}\n"
        "rules:\n"
        "- {name: waits, when: conversation.waiting, for: 1m, resolved: true, notify: team}\n"
    )
    config = load([file], environ={})

    def event(id_: str, kind: str, at: datetime, waits: bool, **more: object) -> Event:
        since = T0 if waits else None
        shown = to_plain(Conversation("c1", waiting_since=since))
        return Event(id_, kind, "s", "c1", at, {"source": "s", "provider": "chatwoot",
                                                "conversation": shown, **more})  # fmt: skip

    later = T0 + timedelta(minutes=5)
    stamp = to_plain(Conversation("c1", waiting_since=T0))["waiting_since"]
    began = {"waiting_since": {"before": None, "after": stamp}}
    ended = {"waiting_since": {"before": stamp, "after": None}}
    said = {"last_message": {"before": None, "after": None}}
    replay = Replay(config, await plans_for(config), T0)
    await replay.record_events([event("e1", "conversation.waiting", T0, True, changes=began)])
    await replay.until(later)
    await replay.record_events(
        [
            event("e2", "conversation.message", later, False, changes=said),
            event("e3", "conversation.answered", later, False, changes=ended, outcome=outcome),
        ]
    )
    told = [one.event.data["delivery"] for one in replay.sent]
    assert [one["kind"] for one in told] == ["for", "resolved"]
    assert told[1]["resolved"]["reason"] == reason
