"""Replays of events: what one receiver hands to another is due there at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from watcher.config import load
from watcher.daemon.replay import Replay, plans_for
from watcher.model import Conversation, Event, to_plain

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
