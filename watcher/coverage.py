"""What the configured sources can show together, and which rules ask for what none of them does.

Rules: pure; the providers' own tables (`Provider.coverage`) and the sources' `fields:` are all that
is known. Where one of them leaves something open, nothing is impossible there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from watcher.catalogue.events import EVENTS
from watcher.catalogue.fields import FIELDS
from watcher.conditions import Tree, mistakes_with
from watcher.conditions.names import demanded, paths
from watcher.mapping import FieldMapping, targets
from watcher.providers import Provider
from watcher.rules.when import covered
from watcher.settings.base import Mistake
from watcher.suggest import did_you_mean, listing, short
from watcher.templates import TemplateError
from watcher.vocabulary import ANY, EVENT_SHAPE, Shape

__all__ = ["Shown", "Source"]

_ATTRIBUTES = "attributes."

WORDS = frozenset({"last_message.text", "last_message.subject"})
"""The fields that are what people write."""

NOT_KEPT = "no text is stored or sent (`store_texts: false`)"


class Source(Protocol):
    """What must be known of a configured source."""

    @property
    def name(self) -> str: ...
    @property
    def provider(self) -> str: ...
    @property
    def provider_class(self) -> type[Provider]: ...
    @property
    def mapping(self) -> FieldMapping | None: ...
    @property
    def people(self) -> Mapping[str, str]: ...


class Shown:
    """What the sources of one configuration can show."""

    def __init__(self, sources: Sequence[Source], *, keeps_texts: bool = True) -> None:
        self._keeps_texts = keeps_texts
        self._sources = {one.name: one for one in sources}
        # Thousands of accounts at one provider show the same.
        alike = {
            (
                id(one.provider_class),
                targets(one.mapping) | _named(one),
            ): one.provider_class.coverage
            for one in sources
        }
        self._mapped = [mapped for _, mapped in alike]
        self._coverage = list(alike.values())
        self._who = listing(dict.fromkeys(one.provider for one in sources))
        self._shape = self._narrowed(EVENT_SHAPE, "")

    def narrowed(self, tree: Tree | None) -> Shown:
        """Return what those sources can show that a condition lets pass by name or provider."""
        if tree is None:
            return self
        names, providers = demanded(tree, "source"), demanded(tree, "provider")
        if names is None and providers is None:
            return self
        known = self._sources
        among = known.values() if names is None else [known[one] for one in names if one in known]
        left = [one for one in among if providers is None or one.provider in providers]
        # Names that no source has are a mistake of their own.
        fewer = bool(left) and len(left) < len(self._sources)
        return Shown(left, keeps_texts=self._keeps_texts) if fewer else self

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
        unseen: list[range] = []
        for path in paths(tree.root, ("conversation", "changes")):
            if problem := self._unseen(path):
                start = tree.source.find(path)
                unseen.append(range(start, start + len(path)))
                yield Mistake(problem[0], problem[1], offset=start)
        for one in mistakes_with(self._shape, tree):
            if not any(one.offset in each for each in unseen):
                meant = f"did you mean `{one.suggestion}`?" if one.suggestion else ""
                yield Mistake(f"with {self._who}, {one.message}", meant, offset=one.offset)

    def unseen_in_template(self, source: str, *, many: bool) -> Iterator[TemplateError]:
        """Yield what a template asks for that no source shows: attributes, and texts that are not kept."""
        for name in ("text", "subject") if not self._keeps_texts else ():
            if found := re.search(rf"\blast_message(\.|\[['\"]){name}\b", source):
                line = source.count("\n", 0, found.start()) + 1
                column = found.start() - source.rfind("\n", 0, found.start())
                yield TemplateError(f"`last_message.{name}` is empty: {NOT_KEPT}", line, column)
        from watcher.templates.compiled import template_mistakes_with  # where there is a template

        yield from template_mistakes_with(self._shape, source, many=many)

    @property
    def who(self) -> str:
        """The providers, for people."""
        return self._who

    def _unseen(self, path: str) -> tuple[str, str] | None:
        """Return what is wrong with a value that no source shows, with the remedy."""
        field = _field(path)
        if field in WORDS and not self._keeps_texts:
            return f"{path} is null: {NOT_KEPT}", "ask for its type, its direction or its time"
        if field.startswith(_ATTRIBUTES):
            key = field.removeprefix(_ATTRIBUTES).partition(".")[0]
            known = self._attributes()
            if known is None or key in known:
                return None
            remedy = (
                f"{did_you_mean(key, known)}map it with `fields: {{attributes.{short(key)}: …}}`"
            )
            whole = path[: path.index(_ATTRIBUTES)] + _ATTRIBUTES + short(key)
            return f"no configured source shows {whole}", remedy
        if not self._never(field):
            return None
        if field == "assignee.name":
            return f"no configured source shows {path} ({self._who})", "name them with `people:`"
        empty = "is absent" if path.startswith("changes.") else "is null"
        return f"no configured source shows {path} ({self._who})", f"in the condition it {empty}"

    def _narrowed(self, shape: Shape, path: str) -> Shape:
        """Return a shape with what these sources narrow in it: words, and the keys of attributes."""
        field = _field(path)
        if field == "attributes" and shape.members is None:
            known = self._attributes()
            keys = None if known is None else {key: self._kind(key) for key in sorted(known)}
            return Shape("map", keys)
        if shape.kind == "map" and shape.members is not None:
            inner = {
                name: self._narrowed(one, f"{path}.{name}".removeprefix("."))
                for name, one in shape.members.items()
            }
            return Shape("map", inner)
        words = self._words(field) if shape.kind == "string" and field != path else set()
        return Shape("string", values=tuple(sorted(words))) if words else shape

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

    def _kind(self, key: str) -> Shape:
        """Return the shape of an attribute; anything where one source does not say."""
        kinds = {(one.attributes or {}).get(key) for one in self._coverage} - {None}
        mapped = any(_beside(_ATTRIBUTES + key, one) for each in self._mapped for one in each)
        kind = kinds.pop() if len(kinds) == 1 and not mapped else None
        return Shape(kind) if kind is not None else ANY

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


def _named(source: Source) -> frozenset[str]:
    """Return the names that `people` adds to what the source's rows show."""
    shown = source.people and "assignee" not in source.provider_class.coverage.never
    return frozenset({"assignee.name"}) if shown else frozenset()


def _field(path: str) -> str:
    """Return the field of the conversation that a path in an event leads to, or the path itself."""
    if path.startswith("changes."):
        name, _, inner = path.removeprefix("changes.").partition(".")
        inner = inner.partition(".")[2]
        return f"{name}.{inner}" if inner else name
    return path.removeprefix("conversation.")


def _beside(field: str, mapped: str) -> bool:
    """Return whether a mapped path is a field, holds it, or is a part of it."""
    return fnmatchcase(f"{field}.", f"{mapped}.*") or fnmatchcase(f"{mapped}.", f"{field}.*")


def _field_of(kind: str) -> str | None:
    """Return the field without which an event cannot happen, None where there is no such field."""
    if kind not in EVENTS:
        return None
    if named := EVENTS[kind].needs or EVENTS[kind].sides_of:
        return named
    of = [one.name for one in FIELDS.values() if one.event == kind]
    return of[0] if len(of) == 1 and kind != "conversation.updated" else None
