"""Does Leadping's list show archived and active conversations alike, when asked for all?

Rules: pure. Refuses on proof only, and needs eight requests at most.

Archiving must show as a change of `isArchived`; if the list left archived rows out, every
archiving would look like a removal. The parameter `archiveFilter` takes "active, archived, or
all", but no published page says whether by name or by number, and a server may ignore a value that
it does not know. The proof: a *witness*, a row that the list of archived (or active)
conversations shows, is looked for at its place in the list of all. Only if that walk passes the
place without it, and the witness stands unchanged in its own list afterwards (so it did not move
meanwhile), is "all" not all. Anything less is accepted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from watcher.errors import SourceChanged, SourceRefused
from watcher.providers import Page, Response
from watcher.providers.leadping.listing import Ask, Listing, hear, words

__all__ = ["AllAt", "CheckAt", "ConfirmAt", "KindAt", "SearchAt", "archived_only", "check", "hides"]

PAGES = 4
"""How many pages of the list of all are searched for the witness."""

GRAIN = timedelta(seconds=1)
"""Within a second the order proves nothing: sorted as texts, `…:56.1Z` comes before `…:56Z`."""


class Witness(NamedTuple):
    """A row that the list of all must hold."""

    id: str
    archived: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class AllAt:
    """First the top of the list of all: it may show both kinds at once."""

    ask: Ask


@dataclass(frozen=True, slots=True)
class KindAt:
    """Then the top of the archived list, or of the active one, which is the list without a filter."""

    ask: Ask
    """The request."""

    everything: Ask
    """The request for all."""

    archived: bool
    """Whether this is the archived list."""

    actives: bool = False
    """Whether the active ones are to be proved as well."""

    refusal: str = ""
    """What the server answered when it refused the value for all."""


@dataclass(frozen=True, slots=True)
class SearchAt:
    """Then the witness is searched; `own` asks for its list, `lowest` is the oldest time met."""

    ask: Ask
    own: Ask
    witness: Witness
    lowest: datetime | None = None


@dataclass(frozen=True, slots=True)
class ConfirmAt:
    """Last, if it was not found where it should be: is the witness still in its own list?"""

    ask: Ask
    everything: Ask
    witness: Witness


CheckAt = AllAt | KindAt | SearchAt | ConfirmAt


def archived_only(everything: Ask) -> Ask:
    """Return the request for archived rows, by name or by number as `everything` asks for all.

    The numbers are those of an enum in the order in which Leadping's contract lists the names.
    """
    by_number = everything.archive is not None and everything.archive.isdecimal()
    return replace(everything, archive="1" if by_number else "archived")


def hides(value: str | None, kind: str) -> SourceRefused:
    """Return the error for a value of archiveFilter that was proved not to mean all."""
    return SourceRefused(f"archiveFilter={value} hides {kind} conversations", _remedy(value))


def _remedy(value: str | None) -> str:
    other = "all" if value == "2" else "2"
    return f"set archive_filter to the name or number that means all, for instance {other}"


def check(at: CheckAt, response: Response) -> Page:
    """Return the page of one answer of a check; the last one has no `next`.

    Raise SourceRefused if the value for all is refused or proved not to mean all, and
    SourceChanged if no row shows whether it is archived.
    """
    refusal = words(response) if response.status == 400 else ""
    match at:
        case AllAt() if refusal:
            # Ask the same without the value: only if that is accepted, the value is at fault.
            default = replace(at.ask, archive=None)
            return Page(next=KindAt(default, at.ask, archived=False, refusal=refusal))
        case KindAt(archived=True) if refusal:
            return Page(next=_after_kind(at, Listing()))
        case SearchAt() | ConfirmAt() if refusal:
            return Page()
    listing = hear(at.ask, response)
    if "isArchived" in listing.missing:
        raise SourceChanged(
            "no conversation shows whether it is archived (isArchived is missing)",
            "Leadping's API has changed and inbox-watcher must follow",
        )
    return Page(
        next=_after(at, listing),
        unusable=listing.unusable,
        complaints=listing.complaints,
        missing=listing.missing,
    )


def _after(at: CheckAt, listing: Listing) -> CheckAt | None:
    match at:
        case AllAt(everything):
            kinds = {row.fields.get("archived") for row in listing.rows}
            if True not in kinds:
                actives = False not in kinds
                return KindAt(archived_only(everything), everything, archived=True, actives=actives)
            return None if False in kinds else _actives(everything)
        case KindAt():
            return _after_kind(at, listing)
        case SearchAt():
            return _after_search(at, listing)
        case ConfirmAt():
            if at.witness in _witnesses(listing):
                raise hides(at.everything.archive, "archived" if at.witness.archived else "active")
            return None


def _actives(everything: Ask) -> KindAt:
    return KindAt(replace(everything, archive=None), everything, archived=False)


def _after_kind(at: KindAt, listing: Listing) -> CheckAt | None:
    if at.refusal:
        raise SourceRefused(
            f"archiveFilter={at.everything.archive} is refused ({at.refusal})",
            _remedy(at.everything.archive),
        )
    found = [row for row in _witnesses(listing) if row.archived == at.archived]
    if found:
        return SearchAt(at.everything, own=at.ask, witness=max(found, key=lambda row: row.at))
    return _actives(at.everything) if at.actives else None


def _after_search(at: SearchAt, listing: Listing) -> CheckAt | None:
    if listing.unusable or any(row.id == at.witness.id for row in listing.rows):
        return None
    lowest = at.lowest
    for time in listing.times:
        if lowest is not None and time > lowest + GRAIN:
            return None  # this list is not in order: nothing has a place in it
        lowest = time if lowest is None else min(time, lowest)
    further = at.ask.after(listing)
    if further is None or (lowest is not None and lowest < at.witness.at - GRAIN):
        return ConfirmAt(at.own, at.ask.first(), at.witness)
    return SearchAt(further, at.own, at.witness, lowest) if at.ask.page < PAGES else None


def _witnesses(listing: Listing) -> list[Witness]:
    return [
        Witness(row.id, row.fields["archived"], row.fields["last_activity_at"])
        for row in listing.rows
        if "archived" in row.fields and row.fields.get("last_activity_at") is not None
    ]
