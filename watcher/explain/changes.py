"""What changed, in one sentence for every type of event.

Rules: pure and total: no event, however sparse or strange, makes a sentence fail. Each field that an event
carries is said: by the words of its type, or by its values before and after behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from watcher.explain.values import format_age, format_times, format_value, headline, short, short_id
from watcher.model import Event
from watcher.settings.calendar import UTC_ZONE
from watcher.wording import part, words_of

__all__ = ["changed_fields", "what_changed"]

Plain = Mapping[str, Any]


def what_changed(event: Event, zone: ZoneInfo = UTC_ZONE) -> str:
    """Return in one sentence what an event tells; times are those of a zone."""
    lead = _LEADS.get(event.type)
    said = lead.words(event) if lead is not None else ""
    covered = lead.covers if lead is not None and said else frozenset()
    rest = [
        line
        for name, sides in part(event.data, "changes").items()
        if name not in covered
        for line in _sides(name, sides, zone)
    ]
    about_us = "conversation" not in event.data
    if about_us:
        rest = [one for one in (_why(event.data),) if one]
    joint = (": " if about_us else "; ") if said and rest else ""
    return " ".join(format_times(said + joint + ", ".join(rest), zone).split())


def changed_fields(event: Event, zone: ZoneInfo) -> Iterator[str]:
    """Yield each changed field with its values before and after."""
    for name, sides in part(event.data, "changes").items():
        yield from _sides(name, sides, zone)


def _sides(name: str, sides: Any, zone: ZoneInfo) -> Iterator[str]:
    both = sides if isinstance(sides, Mapping) else {}
    return _change(name, both.get("before"), both.get("after"), zone)


def _change(name: str, before: Any, after: Any, zone: ZoneInfo) -> Iterator[str]:
    """Yield one changed field; of an object with the same name, its changed parts."""
    objects = isinstance(before, Mapping) and isinstance(after, Mapping)
    if objects and headline(before) == headline(after):
        for key in dict.fromkeys((*before, *after)):
            if before.get(key) != after.get(key):
                yield from _change(f"{name}.{key}", before.get(key), after.get(key), zone)
        return
    yield f"{name}: {format_value(before, zone)} → {format_value(after, zone)}"


def _why(data: Plain) -> str:
    """Return why, of an event about no conversation, and what to do about it."""
    reason = data.get("reason") or ""
    remedy = f" ({data['remedy']})" if data.get("remedy") else ""
    return remedy.strip() if reason in _REPEATS else f"{reason}{remedy}"


_REPEATS = ("works again", "the network works again")
"""Reasons that say what the type says."""


@dataclass(frozen=True, slots=True)
class _Lead:
    """The words of a type, and the fields that they say."""

    words: Callable[[Event], str]
    covers: frozenset[str] = frozenset()


def _side(event: Event, name: str, side: str) -> Any:
    return part(part(event.data, "changes"), name).get(side)


def _named(value: Any, nobody: str = "none") -> str:
    return nobody if value is None else format_value(value, UTC_ZONE)


def _quoted(event: Event) -> str:
    """Return the words of the last message, or what it is where it has none."""
    words = short(words_of(part(part(event.data, "conversation"), "last_message"), event.data))
    if not words:
        return ""
    return words if words.startswith("[") and words.endswith("]") else f"“{words}”"


def _with(words: str, quoted: str) -> str:
    return f"{words}: {quoted}" if quoted else words


def _created(event: Event) -> str:
    words = "the conversation is back" if event.data.get("returned") else "a new conversation"
    return _with(words, _quoted(event))


def _unread(event: Event) -> str:
    count, before = (_side(event, "unread_count", side) for side in ("after", "before"))
    if "unread" in part(event.data, "changes"):
        several = isinstance(count, int) and count > 1
        return f"became unread, {count} messages" if several else "became unread"
    if isinstance(count, int) and isinstance(before, int) and count > before:
        return f"{count - before} more unread, {count} now"
    return "a newer message came while it was unread"


_WROTE = {
    ("inbound", False): "the customer wrote",
    ("inbound", True): "an automatic message came in",
    ("outbound", False): "we wrote",
    ("outbound", True): "an automatic message went out",
    ("internal", False): "a private note",
    ("internal", True): "an automatic note",
}


def _message(event: Event) -> str:
    last = part(part(event.data, "conversation"), "last_message")
    if not last:
        return "the last message is gone"
    key = (str(last.get("direction")), bool(last.get("automated")))
    return _with(_WROTE.get(key, "a message"), _quoted(event))


def _waiting(event: Event) -> str:
    since = part(event.data, "conversation").get("waiting_since")
    return f"the customer waits for an answer since {since}" if since else "the customer waits"


def _answered(event: Event) -> str:
    words = "closed without an answer" if event.data.get("outcome") == "closed" else "answered"
    waited = event.data.get("waited")
    return f"{words} after {format_age(waited)}" if isinstance(waited, int) else words


def _unassigned(event: Event) -> str:
    return f"nobody's now, it was {_named(_side(event, 'assignee', 'before'), 'nobody')}'s"


def _reassigned(event: Event) -> str:
    before, after = (_side(event, "assignee", side) for side in ("before", "after"))
    return f"handed from {_named(before, 'nobody')} to {_named(after, 'nobody')}"


def _labels(event: Event) -> str:
    before, after = (_listed(_side(event, "labels", side)) for side in ("before", "after"))
    said = [f"{short(one)} added" for one in after if one not in before]
    said += [f"{short(one)} removed" for one in before if one not in after]
    return f"labels: {', '.join(said)}" if said else "the labels changed"


def _listed(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list | tuple) else []


def _from_to(name: str) -> _Lead:
    def words(event: Event) -> str:
        if name not in part(event.data, "changes"):
            return f"the {name} changed"
        before, after = (_named(_side(event, name, side)) for side in ("before", "after"))
        return f"the {name} changed from {before} to {after}"

    return _Lead(words, frozenset({name}))


_REMOVED = {
    "deleted": "deleted at the provider",
    "access_lost": "no longer visible to us: the access is lost",
}


def _dead(event: Event) -> str:
    about = part(event.data, "event")
    of = f": {about.get('type')} {short_id(str(about.get('id')))}" if about else ""
    return f"a message to {event.source} was given up{of}"


_OUTCOMES = {
    "agreed": "a second sweep agreed, so it was told",
    "disagreed": "a later sweep disagreed, so nothing happened",
    "accepted": "a person accepted it",
    "discarded": "a person discarded it",
    "mended": "the page can be read again",
}


def _released(event: Event) -> str:
    outcome = _OUTCOMES.get(str(event.data.get("outcome")), "it was decided")
    return f"the hold is over, {outcome}"


def _again(words: str, replaced: str) -> _Lead:
    return _Lead(lambda event: replaced if event.data.get("outcome") == "replaced" else words)


def _plain(words: str, *covers: str) -> _Lead:
    return _Lead(lambda _event: words, frozenset(covers))


def _bare(words: str) -> _Lead:
    """Return words for an event that carries no field; with one, the field says it."""
    return _Lead(lambda event: "" if part(event.data, "changes") else words)


_LEADS: Mapping[str, _Lead] = {
    "conversation.created": _Lead(_created),
    "conversation.unread": _Lead(_unread, frozenset({"unread", "unread_count"})),
    "conversation.read": _plain("was read", "unread", "unread_count"),
    "conversation.message": _Lead(_message, frozenset({"last_message"})),
    "conversation.waiting": _Lead(_waiting, frozenset({"waiting_since"})),
    "conversation.answered": _Lead(_answered, frozenset({"waiting_since"})),
    "conversation.assigned": _Lead(
        lambda event: f"assigned to {_named(_side(event, 'assignee', 'after'), 'somebody')}",
        frozenset({"assignee"}),
    ),
    "conversation.reassigned": _Lead(_reassigned, frozenset({"assignee"})),
    "conversation.unassigned": _Lead(_unassigned, frozenset({"assignee"})),
    "conversation.team_changed": _from_to("team"),
    "conversation.archived": _plain("was archived", "archived"),
    "conversation.unarchived": _plain("came back from the archive", "archived"),
    "conversation.status_changed": _from_to("status"),
    "conversation.disposition_changed": _from_to("disposition"),
    "conversation.labels_changed": _Lead(_labels, frozenset({"labels"})),
    "conversation.priority_changed": _from_to("priority"),
    "conversation.contact_changed": _bare("the contact changed"),
    "conversation.updated": _bare("something changed"),
    "conversation.removed": _Lead(
        lambda event: _REMOVED.get(str(event.data.get("reason")), "gone, and nobody says why")
    ),
    "source.baselined": _plain("is watched from now on"),
    "source.failing": _plain("cannot be read"),
    "source.recovered": _again("is read again", "the former trouble is over"),
    "source.held": _plain("what a sweep shows is held back"),
    "source.released": _Lead(_released),
    "receiver.failing": _plain("takes no messages"),
    "receiver.recovered": _again("takes messages again", "the former trouble is over"),
    "delivery.dead": _Lead(_dead),
    "watcher.network_failing": _plain("no source can be reached"),
    "watcher.network_recovered": _plain("the network works again"),
    "watcher.disk_low": _plain("the disk is nearly full, what writes much waits"),
    "watcher.disk_recovered": _plain("the disk has room again"),
}
"""The words of each type; of another (a later version's, a test's) the fields are said alone."""
