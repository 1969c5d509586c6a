"""One test of rules, run: its steps through the production code, and what was sent against what was
expected.

Rules: a test knows nothing that a watcher cannot see: its conversations are shown, and events
come from comparing what was shown.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from watcher.catalogue.events import DEAD, EVENTS
from watcher.catalogue.fields import FIELDS
from watcher.config.model import Config
from watcher.config.rule_tests import Expected, Given, RuleTest, Step, whole
from watcher.daemon.replay import Replay, Sent
from watcher.errors import ConfigError
from watcher.model import (
    NO_EVIDENCE,
    Conversation,
    Event,
    Evidence,
    Observation,
    derive_id,
    from_plain,
    rfc3339,
    to_plain,
)
from watcher.notify.receivers import ReceiverPlan
from watcher.suggest import listing

__all__ = ["Line", "compare", "run"]


_BEFORE = timedelta(minutes=1)
"""How long before the test the messages came that are given."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a comparison: `mark` is ` ` (as expected), `-` (missing), `+` (not expected) or
    `!` (there, but not as expected, for `why`). `at` is the time since the test's start.
    """

    mark: str
    at: Any
    receiver: str
    what: str
    why: str = ""


async def run(test: RuleTest, config: Config, plans: Sequence[ReceiverPlan]) -> list[Sent]:
    """Return what is sent until the test ends, to the receivers that count; raise ConfigError for an
    impossible step or an unknown receiver.
    """
    there = [one.name for one in config.receivers]
    for name in test.receivers:
        if name not in there:
            message, remedy = f"no receiver is named `{name}`", f"receivers: {listing(there)}"
            raise ConfigError((test.place.problem(message, remedy),))
    replay = Replay(config, plans, test.start)
    for one in test.given:
        await _know(replay, one, config, test.start - _BEFORE)
    for step in test.steps:
        await replay.until(step.at)
        await _take(replay, step, config)
    await replay.until(test.until)
    return [one for one in replay.sent if not test.receivers or one.receiver in test.receivers]


async def _know(replay: Replay, given: Given, config: Config, at: datetime) -> None:
    """Have a conversation known as it is given, without any event."""
    source, provider = _source(given, config)
    id_ = str(given.conversation.get("id", "1"))
    if await replay.known(source, id_) is not None:
        raise _wrong(given, f"the conversation {id_} is given twice", "put both into one")
    shown = _plain(given.conversation, at) | {"id": id_}
    begun = to_plain(Conversation(id_, status="open", unread_count=0))
    await replay.baseline(source, provider, _row(_merge(begun, shown), shown, at))


async def _take(replay: Replay, step: Step, config: Config) -> None:
    if step.type is not None and step.type.startswith(("receiver.", DEAD, "watcher.")):
        await replay.record_events([_event(step, step.source, "")])
        return
    source, provider = _source(step, config)
    if step.type is not None and not step.type.startswith("conversation."):
        await replay.record_events([_event(step, source, provider)])
        return
    id_ = str(step.conversation.get("id", "1"))
    if step.ack:
        await replay.acknowledge(source, id_)
        return
    if step.type == "conversation.removed":
        if not await replay.remove(source, provider, id_):
            raise _wrong(step, f"the conversation {id_} is not there, so it cannot be removed")
        return
    shown = _shown(step, id_)
    # A step that names another event than its creation is about a conversation that was there.
    if await replay.known(source, id_) is None and step.type not in (None, "conversation.created"):
        begun = to_plain(Conversation(id_, status="open", unread_count=0))
        named = _merge(begun, {"contact": step.conversation.get("contact") or {}})
        await replay.baseline(source, provider, _row(named, {}, step.at))
    before = await replay.known(source, id_) or to_plain(Conversation(id_, status="open"))
    row = _row(_merge(before, shown), shown, step.at)
    types = await replay.see(source, provider, row, step.type)
    if step.type is not None and step.type not in types:
        came = ", ".join(types) or "nothing changes"
        raise _wrong(
            step, f"no {step.type} comes of it ({came})", "show what changed in `conversation`"
        )


def _source(step: Step | Given, config: Config) -> tuple[str, str]:
    """Return the source that a step names, and its provider."""
    source = step.source or config.sources[0].name
    for one in config.sources:
        if one.name == source:
            return source, one.provider
    names = ", ".join(one.name for one in config.sources)
    raise _wrong(step, f"there is no source `{source}`", f"configured: {names}")


def _shown(step: Step, id_: str) -> dict[str, Any]:
    shown = dict(EVENTS[step.type].shown) if step.type is not None else {}
    return _plain(shown | step.conversation, step.at) | {"id": id_}


def _plain(conversation: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    """Return what is shown of a conversation in its long form, with the time of its message."""
    shown = {name: whole(name, value) for name, value in conversation.items()}
    message = shown.get("last_message")
    if message and not message.get("at"):
        shown["last_message"] = {**message, "at": rfc3339(at)}
        shown.setdefault("last_activity_at", rfc3339(at))
    return shown


def _merge(before: Mapping[str, Any], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Lay what is shown over what was known; of the contact and the attributes, key by key."""
    merged = {**before, **shown}
    for name in ("contact", "attributes"):
        merged[name] = {**(before.get(name) or {}), **(shown.get(name) or {})}
    return merged


def _row(plain: Mapping[str, Any], shown: Mapping[str, Any], at: datetime) -> Observation:
    """Return a row that shows a whole conversation; `shown` is what the test says of it."""
    conversation = from_plain(plain)
    fields: dict[str, Any] = {
        one.name: getattr(conversation, one.name)
        for one in dataclasses.fields(Conversation)
        if one.name not in ("id", "contact", "attributes") and not FIELDS[one.name].derived
    }
    for one in dataclasses.fields(conversation.contact):
        fields[f"contact.{one.name}"] = getattr(conversation.contact, one.name)
    fields |= {f"attributes.{key}": value for key, value in conversation.attributes.items()}
    # Who waits follows from messages; where a test says it, that is what the provider shows besides.
    evidence = NO_EVIDENCE
    if "waiting_since" in shown:
        since = conversation.waiting_since
        evidence = Evidence(waits_since=since, answered_at=at if since is None else None)
    return Observation(conversation.id, fields, evidence=evidence)


_GIVEN_UP = {
    "rule": "a rule",
    "event": {"id": "an event", "type": "conversation.message", "subject": "a conversation"},
    "attempts": 1,
}
"""What a death tells of in a rule test, where nothing was sent before."""


def _event(step: Step, source: str, provider: str) -> Event:
    """Make an event about the watcher itself."""
    kind = str(step.type)
    about: dict[str, Any] = {"source": source, "provider": provider}
    if kind.startswith("receiver."):
        about = {"receiver": source}
    elif kind == DEAD:
        about = {"receiver": source, **_GIVEN_UP}
    elif kind.startswith("watcher."):
        about, source = {}, ""
    data = {**about, "reason": step.reason, "remedy": None, "since": rfc3339(step.at)}
    identity = derive_id("rule test", kind, source, rfc3339(step.at))
    return Event(identity, kind, source, None, step.at, data)


def _wrong(step: Step | Given, message: str, remedy: str = "") -> ConfigError:
    return ConfigError((step.place.problem(message, remedy),))


def compare(test: RuleTest, sent: Sequence[Sent]) -> tuple[Line, ...]:
    """Compare what was sent with what was expected, in order of time."""
    left = list(sent)
    lines: list[tuple[Any, Line]] = []
    for wanted in test.expected:
        here = [one for one in left if (one.at, one.receiver) == (wanted.at, wanted.receiver)]
        found = min(here, key=lambda one: len(_differs(wanted, one)), default=None)
        since = wanted.at - test.start
        if found is None:
            lines.append((wanted.at, Line("-", since, wanted.receiver, _say_wanted(wanted))))
            continue
        left.remove(found)
        why = "; ".join(_differs(wanted, found))
        mark = "!" if why else " "
        lines.append((wanted.at, Line(mark, since, found.receiver, say(found), why)))
    lines += [(one.at, Line("+", one.at - test.start, one.receiver, say(one))) for one in left]
    return tuple(line for _, line in sorted(lines, key=lambda pair: pair[0]))


def _differs(wanted: Expected, sent: Sent) -> list[str]:
    """Return how a message differs from what was expected."""
    text = shown(sent)
    said = [f"it lacks {part!r}" for part in wanted.contains if part not in text]
    said += [f"it contains {part!r}" for part in wanted.lacks if part in text]
    if wanted.rule is not None and wanted.rule not in sent.rules:
        said.append(f"it is by {_rules(sent)}, not by {wanted.rule!r}")
    if wanted.type is not None and wanted.type != sent.event.type:
        said.append(f"it is {sent.event.type}, not {wanted.type}")
    if wanted.resolved is not None and wanted.resolved != _tells_of_end(sent):
        said.append("it tells of no end" if wanted.resolved else "it tells of the end")
    if wanted.conversation is not None and wanted.conversation != sent.event.subject:
        said.append(f"it is about {sent.event.subject}, not {wanted.conversation}")
    return said


def shown(sent: Sent) -> str:
    """Return what the receiver gets: the text, or the event as JSON."""
    if sent.text:
        return f"{sent.title}\n{sent.body}"
    return json.dumps(sent.event.to_plain(), ensure_ascii=False)


def say(sent: Sent) -> str:
    """Format a message in one line."""
    words = f"{sent.event.type} by {_rules(sent)}"
    about = f" about {sent.event.subject}" if sent.event.subject else ""
    if _tells_of_end(sent):
        about += " (resolved)"
    title = f": {sent.title}" if sent.text and sent.title else ""
    return f"{words}{about}{title}"


def _tells_of_end(sent: Sent) -> bool:
    return (sent.event.data.get("delivery") or {}).get("kind") == "resolved"


def _rules(sent: Sent) -> str:
    return " and ".join(repr(rule) for rule in sent.rules) or "a rule"


def _say_wanted(wanted: Expected) -> str:
    parts = [
        wanted.type or "a message",
        f"by {wanted.rule!r}" if wanted.rule else "",
        f"about {wanted.conversation}" if wanted.conversation else "",
        "(resolved)" if wanted.resolved else "",
        f"with {', '.join(map(repr, wanted.contains))}" if wanted.contains else "",
    ]
    return " ".join(part for part in parts if part)
