"""YAML 1.2 from the events of PyYAML's parser: every key and value with its line and column.

Rules: text in, tree or problems out; no files, no settings. What PyYAML resolves by YAML 1.1
(`on`, `no`, `12:30`, `010`) is resolved here by the core schema of YAML 1.2.2 (section 10.3.2).
Duplicate keys, further documents, merge keys and foreign tags are refused. Depth and the size
of expanded aliases are bounded, so that no file exhausts stack or memory.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, cast

import yaml

from watcher.config.tree import Entries, Entry, Items, Node, Place, Scalar
from watcher.errors import Problem

__all__ = ["LIMIT", "parse"]

LIMIT = 1 << 20
"""Size of a file in bytes, and of what its aliases may expand to in characters."""

_DEPTH = 50

# libyaml is five times as fast; where PyYAML was built without it, its Python twin does the same.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = re.compile(r"(?:null|Null|NULL|~|)\Z")
_TRUTH = re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")
_INTEGER = re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(
    r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
)
_BEGINNINGS = frozenset("nN~tTfF+-.0123456789")
"""How all begins that is no text; few texts do."""

_SHORT = 20
"""Characters of texts that are kept once however often they are written."""

_DIGITS = 100  # longer numbers are mistakes, and quadratic work
_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)  # YAML 1.2.2, production [1] c-printable
_TAG = "tag:yaml.org,2002:"

_REMEDIES = (
    ("mapping values are not allowed", "check the indentation; text with a colon needs quotes"),
    ("expected ':'", "is a `:` missing after the key, or a quote not closed?"),
    ("end of stream", "a quote or a bracket is not closed"),
    ("expected key", "check the indentation, and quotes inside of quotes"),
    ("<block end>", "check the indentation, and quotes inside of quotes"),
    ("'-' indicator", "check the indentation of this line and of those before it"),
    ("entries are not allowed", "write the list below its key, or as [one, two]"),
    ("expected ',' or", "a comma or a closing bracket is missing"),
    ("escape character", "write `\\\\` for a backslash, or use single quotes"),
)


class _Stop(Exception):
    """The rest of the file cannot be read."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem


def parse(data: bytes, file: str) -> tuple[Node | None, tuple[Problem, ...]]:
    """Read one document; `file` names it in problems.

    Return the root, None for an empty document or where reading had to stop, and every problem
    found. Nothing that a file may contain raises.
    """
    if len(data) > LIMIT:
        place = Place(file, 1, 1)
        return None, (place.problem("the file is over 1 MB", "split it into several files"),)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place(file, data[: error.start].decode("utf-8", "replace"))
        return None, (place.problem("the file is not UTF-8 text", "save it as UTF-8"),)
    if odd := _UNPRINTABLE.search(text):
        message = f"the character U+{ord(odd.group()):04X} is not allowed in YAML"
        return None, (_place(file, text[: odd.start()]).problem(message, "remove it"),)
    builder = _Builder(text, file, _LOADER)
    try:
        root = builder.document()
    except _Stop as stop:
        return None, (*builder.problems, stop.problem)
    except yaml.YAMLError as error:
        # A scanner that reads ahead may give up, in words of its own, on what we refuse before it.
        ours = _refusal(text, file) if _LOADER is not yaml.SafeLoader else None
        last = ours or _syntax(error, text, file)
        known = any(one.line == last.line for one in builder.problems)  # and this follows from it
        return None, tuple(builder.problems) if known else (*builder.problems, last)
    return root, tuple(builder.problems)


def _refusal(text: str, file: str) -> Problem | None:
    """Return what we refuse in a document that has a syntax error, if that comes first.

    The loader that is written in Python reads no further than the event that it is asked for.
    """
    try:
        _Builder(text, file, yaml.SafeLoader).document()
    except _Stop as stop:
        return stop.problem
    except yaml.YAMLError:
        return None
    return None


class _Builder:
    """Builds the tree from the parser's events; `problems` are those after which it went on."""

    def __init__(self, text: str, file: str, loader: Any) -> None:
        self.problems: list[Problem] = []
        self._text = text
        self._file = file
        self._events = cast("Iterator[Any]", yaml.parse(text, Loader=loader))
        self._anchors: dict[str, Node | None] = {}
        self._expanded = 0

    def document(self) -> Node | None:
        """Read the whole stream: one document at most."""
        root = None
        started = False
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if started:
                    raise _Stop(
                        self._at(event).problem(
                            "a second document (`---`) in one file",
                            "put it into a file of its own, or remove the line",
                        )
                    )
                started = True
                root = self._node(next(self._events), 0)
        return root

    def _at(self, event: Any) -> Place:
        return Place(self._file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, depth: int) -> Node:
        if depth > _DEPTH:
            raise _Stop(self._at(event).problem(f"nested more than {_DEPTH} levels deep"))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if event.anchor:
            self._anchors[event.anchor] = None  # known, but not complete
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._items(event, depth)
        else:
            node = self._entries(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            raise _Stop(
                self._at(event).problem(
                    "an alias (`*…`) whose anchor (`&…`) is not defined before it",
                    "text that begins with * needs quotes",
                )
            )
        node = self._anchors[event.anchor]
        if node is None:
            raise _Stop(self._at(event).problem("an alias that contains itself"))
        self._expanded += node.weight
        if self._expanded > LIMIT:
            raise _Stop(
                self._at(event).problem("aliases expand to more than 1 MB", "write less of it")
            )
        return node

    def _tag(self, event: Any, allowed: tuple[str, ...]) -> str:
        """Return the short name of an explicit tag, empty where there is none."""
        if event.tag in (None, "!"):
            return "str" if event.tag else ""
        name: str = event.tag.removeprefix(_TAG)
        if name not in allowed or name == event.tag:
            self.problems.append(
                self._at(event).problem(
                    "tags (`!…`) are not supported here",
                    "remove the tag; text that begins with ! needs quotes",
                )
            )
            return ""
        return name

    def _items(self, event: Any, depth: int) -> Items:
        self._tag(event, ("seq",))
        items: list[Node] = []
        while not isinstance(inner := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(inner, depth + 1))
        return Items(self._at(event), tuple(items), 1 + sum(item.weight for item in items))

    def _entries(self, event: Any, depth: int) -> Entries:
        self._tag(event, ("map",))
        entries: dict[str, Entry] = {}
        weight = 1
        while not isinstance(inner := next(self._events), yaml.MappingEndEvent):
            place = self._at(inner)  # not the key's own: an alias stands elsewhere
            key = self._node(inner, depth + 1)
            value = self._node(next(self._events), depth + 1)
            weight += key.weight + value.weight
            if not isinstance(key, Scalar):
                begins = self._text[inner.start_mark.index - 1 : inner.start_mark.index + 1]
                self.problems.append(
                    _whole_quoted(replace(place, column=place.column - 1), "{{")
                    if begins == "{{"
                    else place.problem(
                        f"a key must be text, found {key.kind}",
                        "a text that begins with { or [ needs quotes",
                    )
                )
            elif key.raw == "<<" and not key.style:
                self.problems.append(
                    place.problem(
                        "merge keys (`<<`) are not part of YAML 1.2",
                        "write the keys out, or refer to the whole mapping with an alias",
                    )
                )
            elif (first := entries.get(key.raw)) is not None:
                mark = first.key.place
                self.problems.append(
                    place.problem(
                        f"duplicate key `{key.raw}`; first used at line"
                        f" {mark.line}, column {mark.column}",
                        "remove one of the two",
                    )
                )
            else:
                entries[key.raw] = Entry(key, value)
        return Entries(self._at(event), tuple(entries.values()), weight)

    def _scalar(self, event: Any) -> Scalar:
        place = self._at(event)
        raw: str = event.value
        if len(raw) < _SHORT:  # keys and words: ten thousand sources have the same dozen
            raw = sys.intern(raw)
        tag = self._tag(event, ("str", "int", "float", "bool", "null"))
        style = cast('Literal["", "\'", \'"\', "|", ">"]', event.style or "")
        value: str | int | float | bool | None = raw
        if len(raw) > _DIGITS and not style and (_FLOAT.match(raw) or _INTEGER.match(raw)):
            self.problems.append(place.problem("the number is too long", "text needs quotes"))
        elif tag not in ("", "str") or (not tag and event.implicit[0]):
            value = _resolve(raw)
        if tag not in ("", "str") and tag != _NAMES[type(value)]:
            self.problems.append(place.problem(f"the value does not fit its tag `!!{tag}`"))
        written = self._text[event.start_mark.index : event.end_mark.index]
        if written == raw:
            written = raw  # one text instead of two
        if event.tag and not tag and not style and written.startswith(event.tag):
            raw = value = written  # quotes are missing: it is reported as that, and checked as text
        return Scalar(place, value, raw, written, style)


_NAMES = {str: "str", int: "int", float: "float", bool: "bool", type(None): "null"}


def _resolve(raw: str) -> str | int | float | bool | None:
    """Resolve a plain scalar by YAML 1.2's core schema."""
    if raw and raw[0] not in _BEGINNINGS:
        return raw
    if _NULL.match(raw):
        return None
    if _TRUTH.match(raw):
        return raw[0] in "tT"
    if _INTEGER.match(raw):
        bases = {"0o": 8, "0x": 16}
        base = bases.get(raw[:2], 10)
        return int(raw[2:] if raw[:2] in bases else raw, base)
    if _FLOAT.match(raw):
        special = raw.lower().endswith((".inf", ".nan"))
        return float(raw.replace(".", "")) if special else float(raw)
    return raw


def _place(file: str, before: str) -> Place:
    """Return the place right behind `before`, a file's beginning."""
    return Place(file, before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)


_LEADING = re.compile(r"""\s*(?:- +)*(?:[\w.-]+: +)?(["'!*&])""")


def _unquoted(message: str, lead: str) -> bool:
    """Return whether YAML's complaint comes from how a value begins."""
    if lead in ("!", "*", "&"):
        return any(words in message for words in ("expected whitespace", "expected alphabetic"))
    return "<block end>" in message or "expected key" in message


def _whole_quoted(place: Place, begin: str) -> Problem:
    """Return the problem of a value that YAML takes for something else by how it begins."""
    other = "'" if begin == '"' else '"'
    return place.problem(
        f"a value that begins with {begin} needs quotes around the whole",
        f"write {other} before it and at its end",
    )


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Problem:
    """Return the parser's message at its place, with a remedy where its words are known."""
    marks = [getattr(error, "problem_mark", None), getattr(error, "context_mark", None)]
    if "end of stream" in str(getattr(error, "problem", "")):
        marks.reverse()  # what is not closed begins there
    mark = next((one for one in marks if one is not None), None)
    if mark is None:
        return Place(file, 1, 1).problem("the file cannot be read as YAML")
    place = Place(file, mark.line + 1, mark.column + 1)
    message = str(getattr(error, "problem", "") or "unknown mistake")
    at = text[mark.index : mark.index + 1]
    if "cannot start any token" in message:
        if at == "\t":
            return place.problem("a tab where YAML wants spaces", "indent with spaces")
        return _whole_quoted(place, at)
    line = text[: mark.index].rpartition("\n")[2] + text[mark.index :].partition("\n")[0]
    if (lead := _LEADING.match(line)) and _unquoted(message, lead.group(1)):
        return _whole_quoted(Place(file, mark.line + 1, lead.start(1) + 1), lead.group(1))
    begun = getattr(error, "context_mark", None)
    if "expected alphabetic" in message and begun is not None:  # within brackets
        return _whole_quoted(Place(file, begun.line + 1, begun.column + 1), text[begun.index])
    if message.startswith("did not find expected comment or line break"):
        return place.problem(
            "a value that begins with | or > goes on in the next line, indented",
            "put quotes around the whole where the text itself begins so",
        )
    if text[max(mark.index - 1, 0) : mark.index + 1] == "${":
        return place.problem("`${…}` without quotes in braces or brackets", 'write "${NAME}"')
    remedy = next((text for words, text in _REMEDIES if words in message), "check this line")
    return place.problem(f"not valid YAML: {message}", remedy)
