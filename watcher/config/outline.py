"""What most commands need of a configuration: where the store is, which names there are, what is secret.

Rules: the files are read and merged as for the whole (`files.read`), references are resolved the same way
(`watcher.secrets`), and no part is built: no model, no plug-in, no rule. So it says nothing of what is wrong:
where anything that it reads is not right it returns None, and `load` finds the words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from watcher.config.files import Document, find_paths, read
from watcher.config.tree import Entries, Items, Node, Scalar
from watcher.secrets import MissingSecret, Redactor, is_secret, is_sensitive, parse_text
from watcher.settings.calendar import parse_zone
from watcher.store.address import AddressError, StoreAddress

if TYPE_CHECKING:
    from watcher.config.model import Config

__all__ = ["OPEN", "STORE", "Outline", "read_outline", "usual_store"]

STORE = "inbox-watcher.db"
"""The store's file, in the folder of the configuration, where `store` names none."""

OPEN = frozenset(("people", "fields"))
"""Settings whose keys are not names of settings: what is below them is no secret."""


@dataclass(frozen=True, slots=True)
class Outline:
    """What is known of a configuration without its parts."""

    store: StoreAddress
    """Where the watcher keeps what it knows."""

    sources: Mapping[str, str] = field(default_factory=dict)
    """The provider of each source, by the source's name."""

    receivers: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    silences: tuple[str, ...] = ()

    timezone: ZoneInfo | None = None
    """The zone of times without one of their own, None where none is configured."""

    complete: bool = True
    """False where parts may be missing, so that nothing follows from a name that is not here."""

    redactor: Redactor = field(default_factory=Redactor, compare=False)
    """Knows every secret that was read."""

    whole: Config | None = field(default=None, compare=False)
    """The configuration itself where it had to be loaded."""

    @classmethod
    def of(cls, config: Config) -> Outline:
        """Return what is known of a configuration that was loaded, also of parts with mistakes."""
        sources = dict.fromkeys(config.places.names("sources"), "")
        return cls(
            store=config.store,
            sources=sources | {one.name: one.provider for one in config.sources},
            receivers=config.places.names("receivers"),
            rules=tuple(one.name for one in config.rules),
            silences=tuple(one.name for one in config.silences),
            timezone=config.timezone,
            complete=config.sound,
            redactor=config.redactor,
            whole=config,
        )


def read_outline(paths: Sequence[Path] | None, *, environ: Mapping[str, str]) -> Outline | None:
    """Return the outline of a configuration, None where something in the files is not right.

    `paths` are those of `load.inspect_files`. A secret that cannot be read here is left out: only the
    daemon has them for certain.
    """
    document = read(find_paths(paths, environ))
    if document.problems:
        return None
    redactor = Redactor()
    texts = _Texts(environ, document.folders(), redactor)
    try:
        store, timezone = _store(document, texts), _timezone(document)
    except (AddressError, MissingSecret, ValueError):
        return None
    for part in (document.sources, document.receivers, document.single):
        for entry in part.values():
            if entry.name != "store" or part is not document.single:
                texts.learn(entry.value)
    return Outline(
        store=store,
        sources={name: _text_of(one.value, "provider") for name, one in document.sources.items()},
        receivers=tuple(document.receivers),
        rules=tuple(_names(document.rules)),
        silences=tuple(_names(document.silences)),
        timezone=timezone,
        redactor=redactor,
    )


def usual_store(document: Document) -> StoreAddress:
    """Return where the store is if no file says so."""
    return StoreAddress.parse(STORE, document.files[0].parent if document.files else Path())


def _store(document: Document, texts: _Texts) -> StoreAddress:
    entry = document.single.get("store")
    if entry is None:
        return usual_store(document)
    text = texts.read(entry.value)
    if not text:
        raise ValueError
    return StoreAddress.parse(text, texts.folders[entry.value.place.file])


def _timezone(document: Document) -> ZoneInfo | None:
    entry = document.single.get("timezone")
    if entry is None:
        return None
    if not isinstance(entry.value, Scalar) or not isinstance(entry.value.value, str):
        raise ValueError
    return parse_zone(entry.value.value)


def _names(nodes: Sequence[Node]) -> Iterator[str]:
    return filter(None, (_text_of(node, "name") for node in nodes))


def _text_of(node: Node, key: str) -> str:
    entry = node.get(key) if isinstance(node, Entries) else None
    return entry.value.raw if entry is not None and isinstance(entry.value, Scalar) else ""


@dataclass(frozen=True, slots=True)
class _Texts:
    """Reads texts of the files with their references resolved."""

    environ: Mapping[str, str]
    folders: Mapping[str, Path]
    redactor: Redactor

    def read(self, node: Node) -> str:
        """Return the present value of a text; raise MissingSecret, ValueError if it is none."""
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            raise ValueError
        if "$" not in node.raw:
            return node.raw
        text, missing = parse_text(
            node.raw,
            environ=self.environ,
            folder=self.folders[node.place.file],
            redactor=self.redactor,
        )
        if missing:
            raise missing[0]
        return text.read()

    def learn(self, node: Node, *, secret: bool = False) -> None:
        """Have the redactor know the secrets in a part of the files; `secret` says whether its setting
        takes one.
        """
        match node:
            case Entries():
                for entry in node:
                    if entry.name not in OPEN:
                        # Among headers and the like more is hidden, as where they are sent.
                        named = is_sensitive if secret else is_secret
                        self.learn(entry.value, secret=named(entry.name))
            case Items():
                for item in node.items:
                    self.learn(item, secret=secret)
            case Scalar(value=str()) if secret or "${" in node.raw:
                try:
                    value = self.read(node)
                except MissingSecret:
                    return
                if secret and "://" in value:
                    self.redactor.add_url(value)
                elif secret and value:
                    self.redactor.add(value)
