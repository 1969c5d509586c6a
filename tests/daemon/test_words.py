"""What people read, from the configuration to the receiver: their own time, and each message's words once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from watcher.config.load import load
from watcher.daemon.replay import Replay, plans_for
from watcher.model import Conversation, Event, Message, to_plain

T0 = datetime(2026, 11, 20, 10, tzinfo=UTC)

HEAD = """\
timezone: Europe/Berlin
sources: {s: {provider: chatwoot, base_url: 'http://x.example', account_id: 1, token: t}}
receivers:
  team: {type: apprise, url: 'json://127.0.0.1/'}
  abroad: {type: apprise, url: 'json://127.0.0.2/', timezone: America/New_York}
"""


def event(kind: str, number: int = 1) -> Event:
    message = Message("Does it have lights?", "inbound", None, T0)
    shown = to_plain(Conversation("c1", last_message=message, unread=True))
    data = {"source": "s", "provider": "chatwoot", "conversation": shown, "changes": {}}
    return Event(f"e{number}", f"conversation.{kind}", "s", "c1", T0, data)


async def sent(
    tmp_path: Path, rules: str, *events: Event
) -> dict[tuple[str, str], tuple[str, str]]:
    """Return title and body of what each receiver got of each event."""
    file = tmp_path / "watcher.yaml"
    file.write_text(f"{HEAD}rules:\n{rules}")
    config = load([file], environ={})
    replay = Replay(config, await plans_for(config), T0)
    await replay.record_events(events)
    return {(one.receiver, one.event.id): (one.title, one.body) for one in replay.sent}


async def test_each_receiver_reads_the_time_of_its_own_zone(tmp_path: Path) -> None:
    default = "  - {name: A, when: conversation.unread, notify: [team, abroad]}\n"
    found = await sent(tmp_path, default, event("unread"))
    assert found["team", "e1"][1].endswith("s (chatwoot), 2026-11-20 11:00 CET")
    assert found["abroad", "e1"][1].endswith("s (chatwoot), 2026-11-20 05:00 EST")
    own = (
        "  - name: A\n    when: conversation.unread\n    notify: [team, abroad]\n"
        "    message: {body: \"{{ conversation.last_message.at | local('%H:%M %Z') }}\"}\n"
    )
    found = await sent(tmp_path, own, event("unread"))
    assert found["team", "e1"][1] == "11:00 CET"
    assert found["abroad", "e1"][1] == "05:00 EST"


async def test_the_words_of_a_message_are_told_once(tmp_path: Path) -> None:
    events = (event("message", 1), event("unread", 2))
    every = "  - {name: A, when: conversation.*, notify: team}\n"
    found = await sent(tmp_path, every, *events)
    assert found["team", "e1"][0] == "New message from conversation c1"
    assert found["team", "e1"][1].startswith("Does it have lights?")
    assert found["team", "e2"][0] == "Unread: conversation c1"
    assert "lights" not in found["team", "e2"][1]


async def test_words_that_no_other_message_surely_holds_are_told(tmp_path: Path) -> None:
    for rules in (
        "  - {name: A, when: conversation.unread, notify: team}\n",
        "  - {name: A, when: [conversation.message, conversation.unread], notify: team}\n",
        "  - {name: A, when: conversation.*, where: type == 'conversation.unread', notify: team}\n",
        "  - {name: A, when: conversation.*, throttle: 10m, notify: team}\n",
    ):
        found = await sent(tmp_path, rules, event("unread"))
        assert "Does it have lights?" in found["team", "e1"][1], rules
