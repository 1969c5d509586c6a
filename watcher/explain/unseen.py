"""What nobody could see: times without sight, and why there is no event at all.

Rules: pure and total. What is known not to have been seen is said with its times; that nothing happened is
never claimed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from watcher.catalogue.events import EVENTS
from watcher.catalogue.fields import FIELDS
from watcher.explain.changes import what_changed
from watcher.explain.question import Configured, Facts, Finding, FindingKind, Question
from watcher.explain.values import short_id
from watcher.model import Event, rfc3339
from watcher.rules.when import covered
from watcher.settings.durations import format_duration
from watcher.suggest import listing

__all__ = ["gaps", "nothing_recorded"]

SLACK = timedelta(minutes=1)
"""How much longer than `sweep_every` two looks may be apart before one counts as missing."""

LATE_POLLS, LATE_AFTER = 3, timedelta(minutes=2)
"""After so many polls without one, but not before this time, nobody looks: while nothing changes, that a poll
was made is saved once a minute.
"""


@dataclass(frozen=True, slots=True)
class _Spell:
    """A time in which something was wrong; `until` None while it is."""

    kind: FindingKind
    since: datetime
    until: datetime | None
    event: Event


_BEGINS: dict[str, FindingKind] = {
    "watcher.network_failing": "network",
    "source.failing": "failing",
    "source.held": "held",
    "watcher.disk_low": "disk",
}
_ENDS: dict[str, FindingKind] = {
    "watcher.network_recovered": "network",
    "source.recovered": "failing",
    "source.released": "held",
    "watcher.disk_recovered": "disk",
}
_WORDS: dict[FindingKind, str] = {
    "network": "no source could be reached",
    "failing": "the source {source} could not be read",
    "held": "what a sweep of {source} showed was held back",
    "disk": "the disk was nearly full, so sources that write much waited",
}


def _spells(facts: Facts) -> Iterator[_Spell]:
    open_: dict[FindingKind, tuple[datetime, Event]] = {}
    for event in facts.ours:
        if kind := _BEGINS.get(event.type):
            open_[kind] = (_since(event), event)
        elif (kind := _ENDS.get(event.type)) and kind in open_:
            since, begun = open_.pop(kind)
            yield _Spell(kind, since, event.time, begun)
    for kind, (since, event) in open_.items():
        yield _Spell(kind, since, None, event)


def _since(event: Event) -> datetime:
    """Return when a trouble began, which is before it was told."""
    try:
        since = datetime.fromisoformat(str(event.data.get("since")).replace("Z", "+00:00"))
    except ValueError:
        return event.time
    return min(since, event.time) if since.tzinfo is not None else event.time


def gaps(question: Question, facts: Facts) -> Iterator[Finding]:
    """Yield the times within those asked for in which nobody could see."""
    order = list(_WORDS)
    found = [
        one
        for one in _spells(facts)
        if one.since < question.until and (one.until is None or one.until > question.since)
    ]
    for spell in sorted(found, key=lambda one: (order.index(one.kind), one.since)):
        words = _WORDS[spell.kind].format(source=question.source)
        until = f"until {rfc3339(spell.until)}" if spell.until else "and still"
        why = spell.event.data.get("reason")
        then = _told_after(facts, spell.until)
        text = f"{words} from {rfc3339(spell.since)} {until}{f' ({why})' if why else ''}{then}"
        remedy = str(spell.event.data.get("remedy") or "") if spell.until is None else ""
        by = question.source if spell.kind in ("failing", "held") else spell.kind
        yield Finding(spell.kind, text, by, "", remedy, spell.until, spell.event.id)


def _told_after(facts: Facts, until: datetime | None) -> str:
    """Return what was recorded of the conversation once it could be seen again."""
    if until is None:
        return ""
    events = (*(story.event for story in facts.stories), facts.after)
    later = next((one for one in events if one is not None and one.time >= until), None)
    if later is None:
        return "; what came and went meanwhile left no trace"
    kind = later.type.partition(".")[2]
    return f"; what stood afterwards was recorded at {rfc3339(later.time)} ({kind})"


def nothing_recorded(question: Question, facts: Facts, configured: Configured) -> Iterator[Finding]:
    """Yield why there is no event: what is certain first, what is always possible last."""
    state, source = facts.state, question.source
    watched = configured.sources.get(source)
    if state is None and watched is None:
        remedy = f"configured: {listing(configured.sources) or 'none'}"
        yield Finding("unknown-source", f"no source is named {source}", source, "", remedy)
        return
    if state is None or state.baselined is None or question.until <= state.baselined:
        yield _before_baseline(question, state.baselined if state is not None else None)
    if watched is not None and question.type:
        yield from _never_shown(question, watched.provider, watched.never)
    if facts.snapshot is None:
        text = f"no conversation {question.conversation} was ever seen in {source}"
        remedy = f"inbox-watcher conversations --source {source} lists those that are known"
        yield Finding("unknown-conversation", text, source, "", remedy)
    elif not facts.snapshot.present:
        text = f"the conversation is gone at the provider, last seen {rfc3339(facts.snapshot.observed)}"
        yield Finding("removed", text, source)
    yield from gaps(question, facts)
    yield from _not_looked(question, facts, configured)
    if facts.snapshot is not None and facts.snapshot.doubt is not None:
        since = rfc3339(facts.snapshot.doubt.since)
        text = f"the last row lacks {listing(facts.snapshot.doubt.lost)} since {since}: that is believed once"
        yield Finding("doubt", f"{text} a second look, a minute later, shows the same", source)
    gone = question.since < facts.now - configured.events_kept
    if gone:
        kept = format_duration(configured.events_kept)
        text = f"events are kept for {kept}: what was recorded before is gone"
        yield Finding("pruned", text, "retention", "", "keep them longer: `retention.events`")
    if facts.stories:  # of other types than the expected one
        yield from _elsewhere(question, facts)
    if facts.snapshot is None or state is None or watched is None:
        return
    if not gone and not any((facts.stories, facts.before, facts.after)):
        since = rfc3339(state.baselined) if state.baselined else "its first sweep"
        text = f"nothing that is told has changed in it since {since}, when it was first read"
        yield Finding("unchanged", text, source)
    # What a look cannot see is always possible.
    poll, sweep = format_duration(watched.poll_every), format_duration(watched.sweep_every)
    text = (
        f"what came and went between two looks is not seen: a change that polls show must last {poll},"
        f" any other {sweep}"
    )
    yield Finding("between-looks", text, source, "", "shorten `poll_every` or `sweep_every`")
    if not facts.stories:
        yield from _elsewhere(question, facts)


def _before_baseline(question: Question, baselined: datetime | None) -> Finding:
    since = (
        f"since {rfc3339(baselined)} only" if baselined else "not yet: its first sweep is not done"
    )
    text = f"{question.source} is watched {since}; what was there before is known, and no news"
    remedy = "a rule with `existing: true` tells of what holds already"
    return Finding("before-baseline", text, question.source, "", remedy, baselined)


def _never_shown(question: Question, provider: str, never: frozenset[str]) -> Iterator[Finding]:
    """Yield that no event of the expected type can happen, for lack of the field that it is about."""
    kinds = covered((question.type,))
    needed = {kind: _needs(kind) for kind in kinds}
    missing = {kind: fields & never for kind, fields in needed.items()}
    if kinds and all(missing.values()):
        fields = listing(sorted(set().union(*missing.values())))
        text = (
            f"{provider} never shows {fields}, so there is no {question.type} in {question.source}"
        )
        remedy = "map the field with `fields:` of the source, where a row has it elsewhere"
        yield Finding("never-shown", text, question.source, "", remedy)


def _needs(kind: str) -> frozenset[str]:
    row = EVENTS[kind]
    if named := row.needs or row.sides_of:
        return frozenset({named})
    fields = [one.name for one in FIELDS.values() if one.event == kind]
    return frozenset(fields) if len(fields) == 1 else frozenset()


def _not_looked(question: Question, facts: Facts, configured: Configured) -> Iterator[Finding]:
    """Yield that nobody looked, where nothing of ours says why: the watcher did not run."""
    state, watched = facts.state, configured.sources.get(question.source)
    if state is None or state.polled is None or watched is None:
        return
    overdue = state.polled + max(LATE_POLLS * watched.poll_every, LATE_AFTER)
    if min(question.until, facts.now) > overdue and state.failing is None:
        text = (
            f"{question.source} was last read at {rfc3339(state.polled)}: the watcher does not run"
        )
        yield Finding(
            "not-looked", text, question.source, "", "start it: inbox-watcher run", state.polled
        )
        return
    later = facts.after
    observed = later.data.get("observed") if later is not None else None
    if later is None or not isinstance(observed, dict):
        return
    first = _at(observed.get("after"))
    if first is None or later.time - first <= watched.sweep_every + SLACK:
        return
    if first < question.until and later.time > question.since:
        text = f"nobody looked between {rfc3339(first)} and {rfc3339(later.time)}: the watcher did not run"
        yield Finding("not-looked", text, question.source, "", "", later.time, later.id)


def _at(value: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value).replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def _elsewhere(question: Question, facts: Facts) -> Iterator[Finding]:
    """Yield what was recorded instead, or the nearest events before and after."""
    others = [story.event for story in facts.stories] or [
        one for one in (facts.before, facts.after) if one is not None
    ]
    for event in others:
        kind = event.type.partition(".")[2]
        text = f"recorded at {rfc3339(event.time)}: {kind}, {what_changed(event)}"
        remedy = f"inbox-watcher why {short_id(event.id)} --not-told {question.receiver}"
        yield Finding("elsewhere", text, question.source, "", remedy, event.time, event.id)
