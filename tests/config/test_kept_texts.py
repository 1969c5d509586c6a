"""`store_texts: false`: `check` warns of what asks for texts, and a reload says when it is taken up."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config.compare import needs_restart
from watcher.config.load import load
from watcher.daemon.plans import attributes_of_words

FILE = """\
store_texts: {keeps}
sources:
  desk: {{provider: chatwoot, account_id: 3, token: not-a-real-token, fields: {{
    attributes.said: "messages[0].content", attributes.first: "messages[0]", attributes.n: id}}}}
receivers: {{team: {{type: apprise, url: "json://127.0.0.1/"}}}}
rules:
  - name: A
    when: conversation.message
    where: {where}
    notify: team
    message:
      title: x
      body: "{body}"
"""


def warned(
    folder: Path, keeps: str = "false", where: str = "conversation.unread", body: str = "x"
) -> list[str]:
    file = folder / "inbox.yaml"
    file.write_text(FILE.format(keeps=keeps, where=where, body=body))
    found = [str(one).removeprefix(f"{file}:") for one in load([file], environ={}).warnings]
    return [one for one in found if "store_texts" in one]


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ('conversation.last_message.text == "stop"', "9:12"),
        ("conversation.last_message.subject != null", "9:12"),
        ('has(changes.last_message) && changes.last_message.after.text == "x"', "9:41"),
    ],
)
def test_a_condition_that_asks_for_texts(tmp_path: Path, where: str, place: str) -> None:
    (one,) = warned(tmp_path, where=f"'{where}'")
    assert "is null: no text is stored or sent (`store_texts: false`)" in one
    assert one.startswith(place.partition(":")[0])
    assert warned(tmp_path, "true", where=f"'{where}'") == []


@pytest.mark.parametrize(
    "body",
    [
        "{{ conversation.last_message.text }}",
        "New: {{ conversation.last_message.subject or '-' }}",
        "{{ conversation.last_message['text'] }}",
    ],
)
def test_a_template_that_asks_for_texts(tmp_path: Path, body: str) -> None:
    (one,) = warned(tmp_path, body=body)
    assert one.startswith("13:")
    assert "is empty: no text is stored or sent" in one
    assert warned(tmp_path, "true", body=body) == []


def test_what_asks_for_other_things_is_fine(tmp_path: Path) -> None:
    where = "'conversation.last_message.type == \"sms\"'"
    assert warned(tmp_path, where=where, body="{{ conversation.last_message.at }}") == []


def test_the_setting_is_taken_up_at_the_next_start(tmp_path: Path) -> None:
    warned(tmp_path)
    off = load([tmp_path / "inbox.yaml"], environ={})
    warned(tmp_path, "true")
    on = load([tmp_path / "inbox.yaml"], environ={})
    assert (off.store_texts, on.store_texts) == (False, True)
    assert needs_restart(on, off) == ("store_texts",)


def test_attributes_that_may_hold_texts_are_known(tmp_path: Path) -> None:
    warned(tmp_path)
    sources = load([tmp_path / "inbox.yaml"], environ={}).sources
    assert attributes_of_words(sources) == {"desk": {"said": True, "first": False, "n": False}}
