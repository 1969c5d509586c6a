"""From the paths of the configuration to one document whole with places.

Rules: this module reads files and knows the top-level keys, and nothing below them. What cannot be
read is a problem; the rest is read all the same.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from watcher.config.sources_from import csv, file_of, sources_of
from watcher.config.tree import Entries, Entry, Items, Node, Place, Scalar
from watcher.config.yaml import LIMIT, parse
from watcher.errors import Problem
from watcher.suggest import did_you_mean, short

__all__ = ["VARIABLE", "Document", "Places", "find_paths", "read"]

VARIABLE = "INBOX_WATCHER_CONFIG"
_DEFAULT = "rules"
_ENDINGS = (".yaml", ".yml")
_SINGLE = (
    "store", "store_texts", "least_free", "server", "retention", "timezone", "network", "insecure_files",
    "heartbeat",
)  # fmt: skip
_NAMED = ("sources", "receivers", "templates", "conditions")
_LISTED = ("rules", "silences")
_FROM = "sources_from"
_KEYS = (*_SINGLE, "sources", _FROM, *_NAMED[1:], *_LISTED)
_STORE = re.compile(rb"^store:[ \t]+[^\r\n]*", re.MULTILINE)


@dataclass(slots=True)
class Document:
    """All files as one. `complete` is False when a file or a part of one could not be read, so
    that what seems missing may stand there. `order` is the order in which files were read; `tables`
    are those of `sources_from`, each with the folder of its file, where its relative paths start.
    """

    single: dict[str, Entry] = field(default_factory=dict)
    sources: dict[str, Entry] = field(default_factory=dict)
    receivers: dict[str, Entry] = field(default_factory=dict)
    templates: dict[str, Entry] = field(default_factory=dict)
    conditions: dict[str, Entry] = field(default_factory=dict)
    rules: list[Node] = field(default_factory=list)
    silences: list[Node] = field(default_factory=list)
    tables: list[tuple[Entries, Path]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    order: dict[str, int] = field(default_factory=dict)
    starts: dict[str, Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    complete: bool = True

    def folders(self) -> dict[str, Path]:
        """Return the folder of each file, where its relative paths start."""
        return {file: Path(file).parent for file in self.order} | self.starts


class _Stands:
    """Where a source, and the value of each of its keys, stands: a twelfth of what its tree takes."""

    __slots__ = ("_keys", "_places")

    def __init__(self, entry: Entry, files: dict[str, int], keys: dict[Any, Any]) -> None:
        inner = entry.value.entries if isinstance(entry.value, Entries) else ()
        names = tuple(one.name for one in inner)
        self._keys: tuple[str, ...] = keys.setdefault(
            names, names
        )  # most sources have the same ones
        self._places = array("L")
        for place in (entry.key.place, *(one.value.place for one in inner)):
            self._places.extend(
                (files.setdefault(place.file, len(files)), place.line, place.column)
            )

    def of(self, key: str, files: dict[str, int]) -> Place:
        """Return where the value of a key stands, or the source where it has none."""
        number = 1 + self._keys.index(key) if key in self._keys else 0
        file, line, column = self._places[3 * number : 3 * number + 3]
        return Place([*files][file], line, column)


class Places:
    """Where the parts of a configuration stand. It outlives the tree, of which ten thousand sources would
    keep forty megabytes.
    """

    def __init__(self, document: Document | None = None) -> None:
        document = document or Document()
        self._order = document.order
        self._receivers = document.receivers
        self._listed = {"rules": document.rules, "silences": document.silences}
        self._files: dict[str, int] = {}
        keys: dict[Any, Any] = {}
        self._sources = {
            name: _Stands(entry, self._files, keys) for name, entry in document.sources.items()
        }

    def of(self, part: Literal["sources", "receivers"], name: str, key: str = "") -> Place:
        """Return where a source or a receiver stands, or the value of its `key` if it has one."""
        if part == "sources":
            return self._sources[name].of(key, self._files)
        entry = self._receivers[name]
        own = entry.value.get(key) if isinstance(entry.value, Entries) else None
        return entry.key.place if own is None else own.value.place

    def of_receiver(self, name: str, loc: Sequence[str | int]) -> Place:
        """Return where the value at `loc` of a receiver stands, or the deepest part there is."""
        entry = self._receivers[name]
        place, node = entry.key.place, entry.value
        for step in loc:
            inner: Node | None = None
            if isinstance(node, Entries) and isinstance(step, str):
                found = node.get(step)
                inner = found.value if found is not None else None
            elif isinstance(node, Items) and isinstance(step, int) and step < len(node.items):
                inner = node.items[step]
            if inner is None:
                break
            place, node = inner.place, inner
        return place

    def names(self, part: Literal["sources", "receivers"]) -> tuple[str, ...]:
        """Return the names in a part, also of those with mistakes."""
        return tuple(self._sources if part == "sources" else self._receivers)

    def holds(self, receiver: str, problem: Problem) -> bool:
        """Return whether a problem stands in a receiver."""
        entry = self._receivers.get(receiver)
        if entry is None or problem.file != entry.key.place.file:
            return False
        first = entry.key.place.line
        return first <= problem.line <= _last_line(entry.value, problem.file, first)

    def of_silence(self, name: str) -> Place:
        """Return where a silence stands."""
        return self.listed("silences")[name]

    def listed(self, part: Literal["rules", "silences"]) -> dict[str, Place]:
        """Return where each rule or silence stands, by its name."""
        nodes = self._listed[part]
        return {
            str(entry.value.raw): node.place
            for node in nodes
            if isinstance(node, Entries)
            and (entry := node.get("name")) is not None
            and isinstance(entry.value, Scalar)
        }

    def in_order(self, problems: Iterable[Problem]) -> tuple[Problem, ...]:
        """Return problems in reading order."""
        order = self._order
        return tuple(
            sorted(problems, key=lambda one: (order.get(one.file, -1), one.line, one.column))
        )


def _last_line(node: Node, file: str, line: int) -> int:
    """Return the last line of a file that belongs to a node, at least `line`."""
    inner: Iterable[Node] = ()
    if isinstance(node, Entries):
        inner = (entry.value for entry in node)
    elif isinstance(node, Items):
        inner = node.items
    own = node.written.count("\n") if isinstance(node, Scalar) else 0
    if node.place.file == file:  # what a row of a table shares with others stands elsewhere
        line = max(line, node.place.line + own)
    return max((line, *(_last_line(one, file, line) for one in inner)))


def find_paths(paths: Sequence[Path] | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return what was named, else what `$INBOX_WATCHER_CONFIG` names, else `rules`.

    The variable may hold several paths, separated like those of `$PATH`.
    """
    if paths:
        return tuple(paths)
    named = [Path(part) for part in environ.get(VARIABLE, "").split(os.pathsep) if part]
    return tuple(named) or (Path(_DEFAULT),)


def read(paths: Sequence[Path]) -> Document:
    """Read and merge files, and directories' `*.yaml` and `*.yml` files in name order.

    Left out of directories: subfolders, hidden files and rule tests (`*.test.yaml`). A file that
    is named twice is read once.
    """
    document = Document()
    seen: set[str] = set()
    for path in paths:
        for file in _expand(path, document):
            try:
                real = os.path.realpath(file)
            except ValueError as error:  # a NUL in the name
                _unreadable(file, error, document)
                continue
            if real not in seen:
                seen.add(real)
                _read_file(file, document)
    for table, folder in document.tables:
        _read_table(table, folder, document)
    return document


def _read_table(table: Entries, folder: Path, document: Document) -> None:
    """Add a source for each row of a table."""
    node = file_of(table)
    if isinstance(node, Problem):
        document.complete = False
        document.problems.append(node)
        return
    path = folder / node.raw
    try:
        with path.open("rb") as stream:
            content = stream.read(csv.LIMIT + 1)
    except (OSError, ValueError) as error:
        document.complete = False
        reason = getattr(error, "strerror", None) or "not a usable path"
        remedy = f"looked for {path}; a relative path starts at the folder of this file"
        document.problems.append(
            node.place.problem(f"the table {short(node.raw)} cannot be read: {reason}", remedy)
        )
        return
    file = str(path)
    if file not in document.order:
        document.files.append(path)
        document.order[file] = len(document.order)
        # What a row refers to stands where its settings are written.
        document.starts[file] = folder
    rows = csv.parse(content, file)
    document.problems += rows.problems
    document.complete = document.complete and not rows.problems
    for made in sources_of(table, rows) if rows.columns else ():
        if isinstance(made, Problem):
            document.complete = False
            document.problems.append(made)
        else:
            _add("sources", made, document.sources, document)


def _expand(path: Path, document: Document) -> tuple[Path, ...]:
    """Return the files that a path stands for."""
    try:
        if not path.is_dir():
            return (path,)
        files = sorted(
            (file for file in path.iterdir() if _belongs(file)), key=lambda file: file.name
        )
    except (OSError, ValueError) as error:
        _unreadable(path, error, document)
        return ()
    if not files:
        document.complete = False
        document.problems.append(
            Problem(str(path), 0, 0, "the directory has no *.yaml or *.yml file", "put one there")
        )
    return tuple(files)


def _belongs(file: Path) -> bool:
    stem, ending = os.path.splitext(file.name)  # noqa: PTH122 - of a name, not a path
    hidden = file.name.startswith(".")
    return ending in _ENDINGS and not hidden and not stem.endswith(".test") and not file.is_dir()


def _unreadable(path: Path, error: Exception, document: Document) -> None:
    document.complete = False
    if isinstance(error, FileNotFoundError):
        message, remedy = (
            "no such file or directory",
            (f"name one with --config or ${VARIABLE}; without them it is ./{_DEFAULT}"),
        )
    else:
        reason = getattr(error, "strerror", None) or "not a usable path"
        message, remedy = f"cannot be read: {reason}", "check the path and its permissions"
    document.problems.append(Problem(str(path), 0, 0, message, remedy))


def _read_file(path: Path, document: Document) -> None:
    try:
        with path.open("rb") as stream:
            content = stream.read(LIMIT + 1)
    except (OSError, ValueError) as error:
        _unreadable(path, error, document)
        return
    file = str(path)
    document.files.append(path)
    document.order.setdefault(file, len(document.order))
    root, problems = parse(content, file)
    document.problems += problems
    if isinstance(root, Entries):
        for entry in root:
            _merge(entry, document, path.parent)
    elif root is not None and not (isinstance(root, Scalar) and root.value is None):
        document.complete = False
        document.problems.append(
            root.place.problem(
                f"the file holds {root.kind}, not settings",
                f"begin with one of: {', '.join(_KEYS)}",
            )
        )
    elif problems:
        document.complete = False
        _salvage(content, file, document)


def _salvage(content: bytes, file: str, document: Document) -> None:
    """Read `store` alone from a file that is not YAML, so that commands still find the old store."""
    if (line := _STORE.search(content)) is None:
        return
    above = b"\n" * content.count(b"\n", 0, line.start())
    root, _ = parse(above + line[0], file)
    if isinstance(root, Entries):
        for entry in root:
            document.single.setdefault(entry.name, entry)


def _merge(entry: Entry, document: Document, folder: Path) -> None:
    """Add one top-level key of a file that stands in `folder`."""
    name, value = entry.name, entry.value
    if name not in _KEYS:
        document.complete = False
        document.problems.append(
            entry.key.place.problem(
                f"unknown key `{name}`", f"{did_you_mean(name, _KEYS)}allowed: {', '.join(_KEYS)}"
            )
        )
    elif name in _SINGLE:
        _add(name, entry, document.single, document)
    elif isinstance(value, Scalar) and value.value is None:
        pass  # everything below it is commented out
    elif name == _FROM:
        for one in value.items if isinstance(value, Items) else (value,):
            if isinstance(one, Entries):
                document.tables.append((one, folder))
            else:
                _wrong_kind(Entry(entry.key, one), "a mapping, or a list of mappings", document)
    elif name in _LISTED:
        if isinstance(value, Items):
            (document.rules if name == "rules" else document.silences).extend(value.items)
        else:
            _wrong_kind(entry, f"a list; begin each {name[:-1]} with `- name:`", document)
    elif isinstance(value, Entries):
        into = {
            "sources": document.sources,
            "receivers": document.receivers,
            "templates": document.templates,
            "conditions": document.conditions,
        }
        for named in value:
            _add(name, named, into[name], document)
    else:
        _wrong_kind(entry, f"a mapping of names to {name}", document)


def _add(kind: str, entry: Entry, into: dict[str, Entry], document: Document) -> None:
    first = into.setdefault(entry.name, entry)
    if first is not entry:
        what = f"`{entry.name}`" if kind in _SINGLE else f"{kind[:-1]} `{entry.name}`"
        place = first.key.place
        document.problems.append(
            entry.key.place.problem(
                f"duplicate {what}; first used at {place.file}:{place.line}:{place.column}",
                "remove one of the two" if kind in _SINGLE else "give one of them another name",
            )
        )


def _wrong_kind(entry: Entry, wanted: str, document: Document) -> None:
    document.complete = False
    document.problems.append(
        entry.value.place.problem(f"`{entry.name}` must be {wanted}, found {entry.value.kind}")
    )
