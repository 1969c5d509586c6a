"""Overwriting the words that a store holds, once they are no longer to be kept.

Rules: pure. A snapshot keeps stand-ins, so that nothing counts as changed; an event, and what is still to be
sent of it, keeps nothing. What a rule's condition said of an event keeps its verdict, without the values that
decided it. Done twice, the second time changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from watcher.fingerprints import PRESENT, without_words
from watcher.model import Conversation
from watcher.records import RuleResult

__all__ = [
    "Attributes",
    "conversation_without",
    "plain_without",
    "snapshot_without",
    "verdicts_without",
]

Attributes = Mapping[str, bool]
"""The attributes of a source that hold words: by name, whether always, or only where they have parts."""

_WORDS = ("text", "subject")
_SAID = ("last_message", "attributes", "changes")
"""Names in a reason beside which words may stand."""


def snapshot_without(
    conversation: Conversation,
    prints: Mapping[str, str],
    key: bytes,
    attributes: Attributes,
) -> tuple[Conversation, Mapping[str, str]]:
    """Return a stored conversation without its words, and the stand-ins of it."""
    # What one said is compared with nothing: it is taken over as the next row shows it.
    hidden = _hidden(conversation.attributes, attributes)
    if hidden:
        left = {**conversation.attributes, **dict.fromkeys(hidden)}
        conversation = replace(conversation, attributes=left)
    bare, found = without_words(conversation, key)
    return bare, {**prints, **found, **{f"attributes.{name}": PRESENT for name in hidden}}


def conversation_without(
    plain: Mapping[str, Any], attributes: Attributes
) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the JSON form of a conversation, or of some of its fields, without words, and the paths that
    had some.
    """
    bare, gone = dict(plain), set[str]()
    for name in ("last_message", "attributes"):
        inner = bare.get(name)
        if not isinstance(inner, Mapping):
            continue
        words = [leaf for leaf in _WORDS if inner.get(leaf) is not None]
        if had := words if name == "last_message" else _hidden(inner, attributes):
            bare[name] = {**inner, **dict.fromkeys(had)}
            gone |= {f"{name}.{leaf}" for leaf in had}
    return bare, frozenset(gone)


def _hidden(values: Mapping[str, Any], attributes: Attributes) -> list[str]:
    return [
        name
        for name, always in attributes.items()
        if (value := values.get(name)) is not None and (always or isinstance(value, Mapping | list))
    ]


def plain_without(event: Mapping[str, Any], attributes: Attributes) -> Mapping[str, Any]:
    """Return the JSON form of an event without words; the same object where it has none."""
    data = event.get("data")
    if not isinstance(data, Mapping):
        return event
    changed: dict[str, Any] = {}
    gone: frozenset[str] = frozenset()
    conversation, changes = data.get("conversation"), data.get("changes")
    if isinstance(conversation, Mapping):
        bare, gone = conversation_without(conversation, attributes)
        if gone:
            changed["conversation"] = bare
            changed["withheld"] = sorted(gone.union(data.get("withheld", ())))
    if isinstance(changes, Mapping):
        sides = {
            name: {side: conversation_without({name: value}, attributes)[0][name]
                   for side, value in both.items()}
            for name, both in changes.items()
            if isinstance(both, Mapping)
        }  # fmt: skip
        if sides != changes:
            changed["changes"] = {**changes, **sides}
    return {**event, "data": {**data, **changed}} if changed else event


def verdicts_without(results: Sequence[RuleResult]) -> tuple[RuleResult, ...]:
    """Return what rules said of an event, without the values that words may be among."""
    return tuple(
        replace(one, reason=one.reason.partition(":")[0])
        if any(name in one.reason for name in _SAID)
        else one
        for one in results
    )
