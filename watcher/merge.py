"""What is known of a conversation: what its rows showed, each row over the earlier ones.

Rules: pure. Merging the same observation twice changes nothing. What a row does not show stays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from watcher.catalogue.fields import CONTACT, FIELDS, REFERENCES
from watcher.model import (
    NO_EVIDENCE,
    Conversation,
    Disposition,
    Evidence,
    Message,
    Observation,
    Reference,
)

__all__ = ["Known", "drop_unmapped", "merge", "name_people", "take_over_new_fields"]

_EMPTY: Mapping[str, Any] = {
    one.name: one.default
    for one in dataclasses.fields(Conversation)
    if one.name not in ("id", "contact", "attributes") and not FIELDS[one.name].derived
}
"""What a conversation has while no row has shown the field."""

Part = TypeVar("Part", Message, Disposition)


@dataclass(frozen=True, slots=True)
class Known:
    """A conversation together with the provider's id of its last message (None where unknown)."""

    conversation: Conversation
    message_id: str | None = None
    evidence: Evidence = NO_EVIDENCE
    """What the last row showed of who waits."""


def merge(old: Known | None, seen: Observation) -> Known:
    """Return what is known after a row: what it shows, over what was known before."""
    base = old if old is not None else Known(Conversation(id=seen.id))
    evidence = seen.evidence
    if evidence.by_person is None and base.evidence.by_person is not None:
        evidence = dataclasses.replace(evidence, by_person=base.evidence.by_person)
    return _overlay(base, seen, seen.fields, evidence)


def take_over_new_fields(old: Known, seen: Observation, paths: frozenset[str]) -> Known:
    """Return the old state with what the row shows under leaf paths that were never shown before.

    `paths` are those shown so far. Changes are found against the result, so that a field which a
    provider or a mapping begins to show is not reported as a change of every conversation.
    """
    fresh = {path: value for path, value in seen.fields.items() if path not in paths}
    first, known = fresh.get("last_message"), old.conversation.last_activity_at
    # A first message later than all that was known is a change all the same: until then, the last
    # line of the conversation was an activity line.
    if first is not None and first.at is not None and known is not None and first.at > known:
        del fresh["last_message"]
    return _overlay(old, seen, fresh, old.evidence) if fresh else old


def name_people(known: Known, seen: Observation, people: Mapping[str, str] | None) -> Known:
    """Return what is known with the names that `people` has for ids which the row shows without one.

    Without an entry the name is unknown again, so that one which was corrected or taken out of the
    configuration does not stay. With None, names come from rows alone, and one that a row lacks
    stays as it was.
    """
    if people is None:
        return known
    named: dict[str, Any] = {}
    for name in REFERENCES:
        shown = seen.fields.get(name)
        if isinstance(shown, Reference) and shown.name is None:
            named[name] = Reference(shown.id, people.get(shown.id))
    if not named:
        return known
    return dataclasses.replace(known, conversation=dataclasses.replace(known.conversation, **named))


def drop_unmapped(known: Known, paths: frozenset[str]) -> Known:
    """Return the state without the fields under none of the leaf `paths` that were shown.

    A mapping that is gone, or that reads something else now, had shown them: no row would ever
    correct them.
    """
    was, contact = known.conversation, known.conversation.contact
    gone: dict[str, Any] = {
        name: empty
        for name, empty in _EMPTY.items()
        if name not in paths and getattr(was, name) != empty
    }
    lost = [leaf for leaf in CONTACT if f"contact.{leaf}" not in paths]
    if any(getattr(contact, leaf) is not None for leaf in lost):
        gone["contact"] = dataclasses.replace(contact, **dict.fromkeys(lost))
    kept = {name: value for name, value in was.attributes.items() if f"attributes.{name}" in paths}
    if len(kept) < len(was.attributes):
        gone["attributes"] = kept
    if not gone:
        return known
    return dataclasses.replace(known, conversation=dataclasses.replace(was, **gone))


def _overlay(
    known: Known, seen: Observation, shown: Mapping[str, Any], evidence: Evidence
) -> Known:
    base, message_id = known.conversation, known.message_id
    direct: dict[str, Any] = {}
    contact: dict[str, Any] = {}
    attributes: dict[str, Any] = {}
    for path, value in shown.items():
        head, _, leaf = path.partition(".")
        if not leaf:
            direct[head] = value
        elif head == "contact":
            contact[leaf] = value
        else:
            attributes[leaf] = value
    if contact:
        direct["contact"] = dataclasses.replace(base.contact, **contact)
    if attributes:
        direct["attributes"] = {**base.attributes, **attributes}
    for name in REFERENCES:
        if name in direct:
            direct[name] = _keep_name(getattr(base, name), direct[name])
    if "last_message" in direct:
        shown_message = direct["last_message"]
        same_id = message_id is None or seen.message_id in (None, message_id)
        # Rows of one provider differ in what they have of a message: a list row may lack its
        # direction. Parts of the same message complete each other; those of two messages must not.
        if same_id and base.last_message is not None and shown_message is not None:
            filled = _fill(base.last_message, shown_message, "at", "text")
            direct["last_message"] = filled
            # A row that shows another message without its id must not lend it the former one's.
            same = filled is not shown_message
            message_id = seen.message_id or (message_id if same else None)
        else:
            message_id = seen.message_id
    if base.disposition is not None and direct.get("disposition") is not None:
        direct["disposition"] = _fill(base.disposition, direct["disposition"])
    conversation = dataclasses.replace(base, **direct)
    return Known(conversation, message_id, evidence)


def _keep_name(old: Reference | None, new: Reference | None) -> Reference | None:
    """Return the old reference where the new one is the same id without a name."""
    if old is not None and new is not None and old.id == new.id and new.name is None:
        return old
    return new


def _fill(old: Part, new: Part, *identity: str) -> Part:
    """Return `new` with its empty parts filled from `old`, if both are the same thing.

    They are if all parts that both have are equal (with `identity`: those of them). So a key that a
    row lacks once is not a change.
    """
    names = [part.name for part in dataclasses.fields(old)]
    empty = [name for name in names if getattr(new, name) in (None, ())]
    compared = [name for name in identity or names if name not in empty]
    if not compared or any(getattr(old, name) != getattr(new, name) for name in compared):
        return new
    return dataclasses.replace(new, **{name: getattr(old, name) for name in empty})
