"""A kind of receiver that a third party adds: one module with settings, notifier and plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

import pytest
from pydantic import Field, field_validator

from tests.config.harness import SOURCE, Write, read, refused
from watcher.config.discovery import PluginUnusable, ReceiverLoader
from watcher.config.json_schema import json_schema
from watcher.model import Event, Result
from watcher.notify import Notice
from watcher.notify.receivers import Network, Receiver, ReceiverPlan, fingerprint
from watcher.pipeline import Policy
from watcher.secrets import SecretText
from watcher.settings.base import Mistake, wrong
from watcher.settings.values import secret

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)


def check_number(value: str) -> None:
    if not value.startswith("+"):
        raise wrong("is not a number with its country", "write +49…")


class PagerNotifier:
    """Writes down what it would send."""

    text = True

    def __init__(self, number: SecretText, sent: list[str]) -> None:
        self._number = number
        self._sent = sent

    async def send(self, notice: Notice) -> Result:
        self._sent.append(f"{self._number.read()}: {notice.title}")
        return Result("ok")

    async def close(self) -> None:
        pass


class PagerReceiver(Receiver):
    """Sends the title to a pager."""

    sent: ClassVar[list[str]] = []

    number: Annotated[SecretText, secret(check_number)] = Field(description="The pager's number.")
    loudness: int = Field(default=3, ge=1, le=10, description="How loud it beeps.")

    @field_validator("loudness")
    @classmethod
    def _fail(cls, value: int) -> int:
        if value == 7:
            raise RuntimeError("seven")
        return value

    def plan(self, network: Network) -> ReceiverPlan:
        return ReceiverPlan(
            name=self.name,
            notifier=PagerNotifier(self.number, self.sent),
            policy=Policy(self.retry),
            target=fingerprint(self.number.read()),
            visibility=self.visibility,
        )

    @classmethod
    async def probe(cls, receivers: Sequence[Self]) -> Sequence[tuple[Self, Mistake]]:
        return [(one, Mistake("{what} is switched off")) for one in receivers if one.loudness == 1]


def unusable() -> Any:
    raise PluginUnusable("the type of receiver `fax` cannot be imported", "install another one")


KINDS: dict[str, ReceiverLoader] = {"fax": unusable, "pager": lambda: PagerReceiver}


def text(receiver: str) -> str:
    return SOURCE + f"receivers:\n  me: {receiver}\nrules: [{{name: A, when: '*', notify: me}}]\n"


async def test_it_is_loaded_planned_and_sends(write: Write) -> None:
    file = write(text("{type: pager, number: '${NUMBER}', redact: [contact.phone]}"))
    config = read(file, receivers=KINDS, environ={"TOKEN": "x-token", "NUMBER": "+49151"})
    (me,) = config.receivers
    assert isinstance(me, PagerReceiver)
    assert (me.name, me.loudness, str(me.number)) == ("me", 3, "${NUMBER}")
    assert config.redactor.scrub("to +49151") == "to ***"

    def no_network(*_given: object) -> Any:
        raise AssertionError

    plan = me.plan(Network(no_network))
    assert plan.visibility.redacted == ("contact.phone",)
    event = Event("1", "watcher.started", "", None, NOW, {})
    result = await plan.notifier.send(Notice(event, "Good morning", "", NOW))
    assert (result.outcome, PagerReceiver.sent) == ("ok", ["+49151: Good morning"])
    assert me.preview(Notice(event, "Good morning", "", NOW), "1") == {
        "title": "Good morning",
        "body": "",
    }


@pytest.mark.parametrize(
    ("receiver", "problem"),
    [
        ("{type: pager}", ":4:3: the receiver `me` lacks `number` (add `number: …`)"),
        (
            "{type: pager, number: '151'}",
            ":4:29: `number` is not a number with its country (write +49…)",
        ),
        (
            "{type: pager, number: '+1', loud: 1}",
            ":4:35: unknown key `loud` in the receiver `me` (did you mean `loudness`?; allowed: type,"
            " retry, redact, ordering, links, number, loudness)",
        ),
        (
            "{type: pager, number: '+1', name: you}",
            ":4:35: unknown key `name` in the receiver `me` (did you mean `number`?; allowed: type,"
            " retry, redact, ordering, links, number, loudness)",
        ),
        (
            "{type: pager, number: '+1', loudness: 7}",
            ":4:3: the receiver's own check of the receiver `me` failed with RuntimeError"
            " (report it to the receiver's author)",
        ),
        (
            "{type: fax}",
            ":4:14: the type of receiver `fax` cannot be imported (install another one)",
        ),
        (
            "{type: webhook, url: 'https://x.example'}",
            ":4:14: `type` is no type of receiver, found `webhook` (allowed: fax, pager)",
        ),
    ],
)
def test_its_mistakes_have_their_places(write: Write, receiver: str, problem: str) -> None:
    (said,) = refused(write(text(receiver)), receivers=KINDS)
    assert said.partition(".yaml")[2] == problem


def test_without_secrets_its_number_need_not_be_known(write: Write) -> None:
    file = write(text("{type: pager, number: '${NUMBER}'}"))
    config = read(file, receivers=KINDS, environ={}, secrets=False)
    assert [one.name for one in config.receivers] == ["me"]


def test_editors_know_its_keys() -> None:
    definitions = json_schema({}, KINDS)["$defs"]
    pager = definitions["receiver.pager"]
    assert list(pager["properties"]) == [
        "type", "retry", "redact", "ordering", "links", "number", "loudness",
    ]  # fmt: skip
    assert pager["properties"]["type"] == {"const": "pager", "type": "string"}
    assert pager["required"] == ["type", "number"]
    assert definitions["receiver.fax"] == {"type": "object"}
