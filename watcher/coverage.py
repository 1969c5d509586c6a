"""What the configured sources can show together, and which rules ask for what none of them does.

Rules: pure; the providers' own tables (`Provider.coverage`) and the sources' `fields:` are all that
is known. Where one of them leaves something open, nothing is impossible there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from watcher.catalogue.events import EVENTS
from watcher.catalogue.fields import FIELDS
from watcher.conditions import Tree
from watcher.conditions.names import Comparison, compared, paths
from watcher.mapping import FieldMapping, targets
from watcher.providers import Provider
from watcher.rules.when import covered
from watcher.settings.base import Mistake
from watcher.suggest import did_you_mean, listing, nearest, short

__all__ = ["Shown", "Source"]

_CONVERSATION, _ATTRIBUTES = "conversation.", "attributes."
_CONSTANTS = {"string": "a text", "number": "a number", "bool": "true or false"}
_KINDS = {**_CONSTANTS, "list": "a list", "map": "an object"}


class Source(Protocol):
    """What must be known of a configured source."""

    @property
    def provider(self) -> str: ...
    @property
    def provider_class(self) -> type[Provider]: ...
    @property
    def mapping(self) -> FieldMapping | None: ...


class Shown:
    """What the sources of one configuration can show."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._mapped = [targets(one.mapping) for one in sources]
        self._coverage = [one.provider_class.coverage for one in sources]
        self._who = listing(dict.fromkeys(one.provider for one in sources))

    def unseen_types(self, when: Sequence[str]) -> Iterator[tuple[int, Mistake]]:
        """Yield each pattern of `when`, by its number, of which no source makes any event."""
        for number, pattern in enumerate(when):
            kinds = covered((pattern,))
            fields = [_field_of(kind) for kind in kinds]
            if not all(field and self._never(field) for field in fields):
                continue
            kind = min(kinds) if len(kinds) == 1 else pattern
            yield (
                number,
                Mistake(
                    f"no configured source has the event {kind}: {self._who} shows no"
                    f" {listing(sorted({str(field) for field in fields}))}",
                    "remove it, or map the field with `fields:` of the source",
                ),
            )

    def unseen_in(self, tree: Tree) -> Iterator[Mistake]:
        """Yield what a condition asks for that no source can show: fields, words, types."""
        unseen: set[str] = set()
        for path in paths(tree.root, ("conversation",)):
            field = path.removeprefix(_CONVERSATION)
            problem = self._unseen(field)
            if problem:
                unseen.add(path)
                yield Mistake(problem[0], problem[1], offset=tree.source.find(path))
        for one in compared(tree.root, ("conversation",)):
            if one.path not in unseen:
                yield from self._impossible(one)

    def _unseen(self, field: str) -> tuple[str, str] | None:
        """Return what is wrong with a field that no source shows, with the remedy."""
        whole = f"{_CONVERSATION}{field}"
        if field.startswith(_ATTRIBUTES):
            key = field.removeprefix(_ATTRIBUTES).partition(".")[0]
            known = self._attributes()
            if known is None or key in known:
                return None
            remedy = (
                f"{did_you_mean(key, known)}map it with `fields: {{attributes.{short(key)}: …}}`"
            )
            return f"no configured source shows {_CONVERSATION}{_ATTRIBUTES}{short(key)}", remedy
        if not self._never(field):
            return None
        return f"no configured source shows {whole} ({self._who})", "the condition reads null there"

    def _attributes(self) -> set[str] | None:
        """Return the keys of `attributes` that any source shows; None where they are not known."""
        known: set[str] = set()
        for coverage, mapped in zip(self._coverage, self._mapped, strict=True):
            if coverage.attributes is None:
                return None
            known |= coverage.attributes.keys()
            known |= {
                one.removeprefix(_ATTRIBUTES) for one in mapped if one.startswith(_ATTRIBUTES)
            }
        return known

    def _never(self, field: str) -> bool:
        """Return whether no source shows a field, or what holds it."""
        above = {".".join(field.split(".")[:number]) for number in range(1, field.count(".") + 2)}
        return bool(self._sources) and all(
            above & coverage.never and not any(_beside(field, one) for one in mapped)
            for coverage, mapped in zip(self._coverage, self._mapped, strict=True)
        )

    def _impossible(self, one: Comparison) -> Iterator[Mistake]:
        """Yield why a comparison is never true: of unlike types, or with a word that none has."""
        field, constant = one.path.removeprefix(_CONVERSATION), one.constant
        kinds, words = self._kinds(field), self._words(field)
        if kinds and constant.kind in _CONSTANTS and constant.kind not in kinds:
            found = " or ".join(sorted(_KINDS[kind] for kind in kinds))
            message = (
                f"{one.path} is {found} ({self._who}), and is compared with"
                f" {_CONSTANTS[constant.kind]}: this is never true"
            )
            quoted = f'write "{constant.text}"' if kinds == {"string"} else ""
            yield Mistake(message, quoted, offset=constant.start)
        elif words and one.operator in ("==", "!=", "in") and constant.value not in (None, *words):
            near = nearest(constant.value or "", words)
            meant = f'did you mean `"{near}"`?' if near else ""
            message = (
                f"{one.path} is never {short(constant.value or '')!r}; {self._who} has"
                f" {listing(sorted(words))}"
            )
            yield Mistake(message, meant, offset=constant.start)

    def _kinds(self, field: str) -> set[str]:
        """Return the types of an attribute; none where one of them is not known."""
        key = field.removeprefix(_ATTRIBUTES)
        if not field.startswith(_ATTRIBUTES) or "." in key:
            return set()
        kinds: set[str] = set()
        for coverage, mapped in zip(self._coverage, self._mapped, strict=True):
            if coverage.attributes is None or any(_beside(field, one) for one in mapped):
                return set()
            kinds |= {coverage.attributes[key]} if key in coverage.attributes else set()
        return set() if "any" in kinds else kinds

    def _words(self, field: str) -> set[str]:
        """Return all texts that a field can have; none where a source may show others."""
        words: set[str] = set()
        for coverage, mapped in zip(self._coverage, self._mapped, strict=True):
            if any(_beside(field, one) for one in mapped):
                return set()
            if field in coverage.words:
                words |= coverage.words[field]
            elif field not in coverage.never:
                return set()
        return words


def _beside(field: str, mapped: str) -> bool:
    """Return whether a mapped path is a field, holds it, or is a part of it."""
    return fnmatchcase(f"{field}.", f"{mapped}.*") or fnmatchcase(f"{mapped}.", f"{field}.*")


def _field_of(kind: str) -> str | None:
    """Return the field without which an event cannot happen, None where there is no such field."""
    if kind not in EVENTS:
        return None
    if EVENTS[kind].sides_of:
        return EVENTS[kind].sides_of
    of = [one.name for one in FIELDS.values() if one.event == kind]
    return of[0] if len(of) == 1 and kind != "conversation.updated" else None
