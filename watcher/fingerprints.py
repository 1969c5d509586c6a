"""What is compared without being kept: a keyed fingerprint stands in for a value.

Rules: pure. A stand-in begins with NUL, which no value that comes in contains (`pipeline.sanitize`). It is
in a conversation only while a page is decided; what is stored and told has nothing in its place, and the
snapshot has the stand-ins apart (`Snapshot.prints`). Equal values of one place in one conversation have
equal stand-ins, those of two conversations have not. They are keyed, because a short text is found by trying
out likely ones: without the installation's key (`Store.key`) nobody can, and what two installations hold
cannot be compared.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from watcher.model import Contact, Conversation, Disposition, Message, Observation, Reference

__all__ = [
    "PRESENT",
    "apart",
    "first_kept",
    "masked",
    "restored",
    "revealed",
    "stands_in",
    "withheld_conversation",
    "withheld_row",
    "without_stand_ins",
    "without_words",
]

PRESENT = "\0"
"""Stands in for a value of which only that there was one is known."""

WORDS = ("text", "subject")
"""The parts of a message that are somebody's words."""

_ATTRIBUTES = "attributes."

Plain = TypeVar("Plain")


def stands_in(value: Any) -> bool:
    """Return whether a value stands in for another one."""
    return isinstance(value, str) and value.startswith(PRESENT)


def _print(key: bytes, subject: str, path: str, value: Any) -> str:
    text = json.dumps([subject, path, value], sort_keys=True, ensure_ascii=False)
    return PRESENT + hashlib.blake2b(text.encode(), key=key, digest_size=16).hexdigest()


# Rows


def masked(
    raw: Mapping[str, Any], message: Message | None, keys: Collection[str], key: bytes
) -> Mapping[str, Any]:
    """Return a provider's row with masks in place of what people wrote, for a mapping to read: of all
    texts below `keys`, and of those that equal the words of its message.
    """
    mask = _mask(key)
    said = {getattr(message, name) for name in WORDS} - {None} if message is not None else set()

    def walk(value: Any, below: bool) -> Any:
        if isinstance(value, str):
            words = bool(value) and (below or value.strip() in said or value in said)
            return mask + _print(key, "", "", value)[1:] if words else value
        if isinstance(value, Mapping):
            return {name: walk(one, below or name in keys) for name, one in value.items()}
        return [walk(one, below) for one in value] if isinstance(value, list | tuple) else value

    plain: Mapping[str, Any] = walk(raw, False)
    return plain


def _mask(key: bytes) -> str:
    """Return what a masked text begins with: nobody else can know it, so nobody else writes it."""
    return hashlib.blake2b(b"mask", key=key, digest_size=16).hexdigest()


def withheld_row(row: Observation, key: bytes) -> Observation:
    """Return a row with stand-ins in place of what people wrote, and without what it was read from."""
    mask = _mask(key)
    fields: dict[str, Any] = {}
    for path, value in row.fields.items():
        if isinstance(value, Message):
            fields[path] = _message(value, row.id, key)
        elif path.startswith(_ATTRIBUTES):
            fields[path] = _print(key, row.id, path, value) if _has(value, mask) else value
        else:
            fields[path] = _unmasked(value, mask)
    return dataclasses.replace(row, fields=fields, raw=None)


def _message(message: Message, subject: str, key: bytes) -> Message:
    words: dict[str, Any] = {
        name: _print(key, subject, f"last_message.{name}", value)
        for name in WORDS
        if (value := getattr(message, name)) is not None and not stands_in(value)
    }
    return dataclasses.replace(message, **words) if words else message


def _has(value: Any, mask: str) -> bool:
    if isinstance(value, str):
        return mask in value
    if isinstance(value, Mapping):
        return any(_has(one, mask) for one in value.values())
    return any(_has(one, mask) for one in value) if isinstance(value, list | tuple) else False


def _unmasked(value: Any, mask: str) -> Any:
    """Return a mapped value without the masked texts that it was read from."""
    if isinstance(value, str):
        return None if mask in value else value
    if isinstance(value, tuple):
        return tuple(one for one in value if not _has(one, mask))
    if isinstance(value, Reference) and _has([value.id, value.name], mask):
        return None if mask in value.id else Reference(value.id)
    if isinstance(value, Disposition):
        parts = {one.name: getattr(value, one.name) for one in dataclasses.fields(value)}
        hidden = {name: None for name, part in parts.items() if _has(part, mask)}
        kept = dataclasses.replace(value, **hidden) if hidden else value
        return None if kept == Disposition() else kept
    return value


# Conversations


def withheld_conversation(conversation: Conversation, key: bytes) -> Conversation:
    """Return a conversation with stand-ins for its words."""
    if (message := conversation.last_message) is None:
        return conversation
    hidden = _message(message, conversation.id, key)
    return (
        conversation
        if hidden is message
        else dataclasses.replace(conversation, last_message=hidden)
    )


def without_words(conversation: Conversation, key: bytes) -> tuple[Conversation, Mapping[str, str]]:
    """Return what stays of a conversation whose words are not kept, and their stand-ins."""
    return apart(withheld_conversation(conversation, key))


def apart(conversation: Conversation) -> tuple[Conversation, Mapping[str, str]]:
    """Return a conversation without its stand-ins, and these by leaf path."""
    prints: dict[str, str] = {}
    changed: dict[str, Any] = {}
    for name in ("last_message", "contact"):
        part = getattr(conversation, name)
        if part is None:
            continue
        found = {
            one.name: value
            for one in dataclasses.fields(part)
            if stands_in(value := getattr(part, one.name))
        }
        if found:
            changed[name] = dataclasses.replace(part, **dict.fromkeys(found))
            prints |= {f"{name}.{leaf}": value for leaf, value in found.items()}
    hidden = {name: value for name, value in conversation.attributes.items() if stands_in(value)}
    if hidden:
        changed["attributes"] = {**conversation.attributes, **dict.fromkeys(hidden)}
        prints |= {_ATTRIBUTES + name: value for name, value in hidden.items()}
    return (dataclasses.replace(conversation, **changed) if changed else conversation), prints


def restored(conversation: Conversation, prints: Mapping[str, str]) -> Conversation:
    """Return a conversation with its stand-ins in their places."""
    if not prints:
        return conversation
    parts: dict[str, dict[str, Any]] = {}
    for path, value in prints.items():
        name, _, leaf = path.partition(".")
        parts.setdefault(name, {})[leaf] = value
    changed: dict[str, Any] = {}
    words: dict[str, Any] = parts.get("last_message", {})
    if words and conversation.last_message is not None:
        changed["last_message"] = dataclasses.replace(conversation.last_message, **words)
    if details := parts.get("contact"):
        changed["contact"] = dataclasses.replace(conversation.contact, **details)
    if hidden := parts.get("attributes"):
        changed["attributes"] = {**conversation.attributes, **hidden}
    return dataclasses.replace(conversation, **changed)


def revealed(conversation: Conversation, row: Observation, key: bytes) -> Conversation:
    """Return a conversation with the words of a row where they are those that the stand-ins are of."""
    known, shown = conversation.last_message, row.fields.get("last_message")
    if known is None or not isinstance(shown, Message):
        return conversation
    again: dict[str, Any] = {
        name: value
        for name in WORDS
        if stands_in(was := getattr(known, name))
        and (value := getattr(shown, name)) is not None
        and _print(key, conversation.id, f"last_message.{name}", value) == was
    }
    if not again:
        return conversation
    return dataclasses.replace(conversation, last_message=dataclasses.replace(known, **again))


def first_kept(conversation: Conversation, row: Observation) -> frozenset[str]:
    """Return the attributes that are kept otherwise than in the row: what is kept has changed, not
    what is there.
    """
    known = conversation.attributes
    return frozenset(
        path
        for path, value in row.fields.items()
        if path.startswith(_ATTRIBUTES)
        and (was := known.get(path.removeprefix(_ATTRIBUTES))) is not None
        and ((value is not None and stands_in(value) is not stands_in(was)) or was == PRESENT)
    )


def without_contact(conversation: Conversation) -> Conversation:
    """Return a conversation without its contact."""
    return dataclasses.replace(conversation, contact=Contact())


def without_stand_ins(plain: Plain) -> Plain:
    """Return plain JSON with null in place of each stand-in."""
    found: Any = plain
    if isinstance(plain, Mapping):
        found = {name: without_stand_ins(one) for name, one in plain.items()}
    elif isinstance(plain, list):
        found = [without_stand_ins(one) for one in plain]
    elif stands_in(plain):
        found = None
    result: Plain = found
    return result
