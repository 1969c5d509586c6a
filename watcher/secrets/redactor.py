"""The redactor: knows the values of secrets and strikes them out, in every form in which they come back.

Rules: pure. What others say about us (errors, refusals) is scrubbed of all that is known: of values from
eight characters on wherever they stand, of shorter ones as words of their own, of those under four
where they stand as a value (in quotes, after `=` or `:`). In our own sentences and in what people wrote
only values from eight characters on are struck out, because a shorter one may be any word.
"""

from __future__ import annotations

import base64
import binascii
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from watcher.secrets.forms import Layer, base64_of, layers, merged, unescaped

__all__ = ["Redactor", "is_secret", "is_sensitive"]

LONG = 8
"""Characters; a shorter value may be a word, or a part of one."""

SHORT = 4
"""Characters; a shorter value stands as a word of its own in too many innocent texts."""

FEW = 200
"""Beginnings of values that one pattern looks for; with more, each place of a text is looked up."""

ANY, DISTINCT, CERTAIN = range(3)
"""What is known of a value: nothing more; it is long; and its setting takes nothing but secrets."""

_STRUCK = "***"
_START = 3  # characters by which a value is looked up

_BEFORE_HOST = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s?#]+@")
"""User and password in a URL, up to the last @ before its path."""

_SENSITIVE = re.compile(
    r"token|secret|passw|key|auth|cookie|credential|url|header|store|proxy", re.I
)
_SECRET = re.compile(r"token|secret|passw|key|auth|cookie|credential|header|proxy|\Aurls?\Z", re.I)
_SCHEME = re.compile(r"(?:Bearer|Basic|Token|Bot|Digest)\s+(\S.*)", re.I)
_ENCODED = re.compile(r"[A-Za-z0-9+/_-]")
_ENCODED_TO_ITS_END = re.compile(r"[A-Za-z0-9+/_-]*={0,2}")


def is_sensitive(name: str) -> bool:
    """Return whether a setting of this name may hold a secret, so that its value is never shown."""
    return _SENSITIVE.search(name) is not None


def is_secret(name: str) -> bool:
    """Return whether what a setting of this name takes is a secret, so that it is struck out wherever it
    stands. Secrets are known by the names of their settings, so that commands know them without the
    settings' models; a plug-in whose secret has another name is refused.
    """
    return _SECRET.search(name) is not None


class Redactor:
    """Knows the values of secrets and strikes them out of texts for logs, errors and people.

    What stands before the host of a URL, or next to its other half, is found by its place there,
    however short. A value that was replaced (a renewed token) stays known. `mark` stands in the
    place of what was struck out.
    """

    def __init__(self, mark: str = _STRUCK) -> None:
        self._mark = mark
        self._needles = _Needles()
        self._levels: dict[str, int] = {}

    def add(self, value: str, *, certain: bool = True) -> None:
        """Learn a value in every form in which another side may quote it. It is `certain` where its
        setting takes a secret, and not just any text that the configuration has from elsewhere.
        """
        level = CERTAIN if certain else DISTINCT
        if self._levels.get(value, -1) >= level:
            return
        self._levels[value] = level
        new = {value, value.strip(), value.removeprefix("whsec_"), unquote(value)}
        if found := _SCHEME.match(value):
            new |= {found.group(1), *_pair(found.group(1))}
        self._needles.learn(new, level)

    def add_url(self, url: str) -> None:
        """Learn a URL that is a secret as a whole, and the user and password in it."""
        self.add(url)
        try:
            parts = urlsplit(url)
        except ValueError:
            return
        for text in (parts.username, parts.password):
            if text:
                self.add(text)
        # A part that is too short to be known by itself is known beside the next one.
        user, password, host = parts.username, parts.password, parts.hostname
        pairs = ((user, ":", password), (password, "@", host), (user, "@", host))
        for one, between, other in pairs:
            if one and other:
                decoded = f"{unquote(one)}{between}{unquote(other)}"
                self._needles.learn({f"{one}{between}{other}", decoded}, CERTAIN, whole=True)

    def scrub(self, text: str) -> str:
        """Return what others said with every known secret struck out."""
        struck = self.strike(text)
        return _BEFORE_HOST.sub(rf"\1{self._mark}@", struck) if "@" in struck else struck

    def scrub_sentence(self, text: str) -> str:
        """Return a sentence of this program with every known secret struck out that cannot be a word
        of it. What others said was scrubbed before it was put in.
        """
        struck = self._needles.strike(text, self._mark, DISTINCT)
        return _BEFORE_HOST.sub(rf"\1{self._mark}@", struck) if "@" in struck else struck

    def scrub_result(self, value: Any) -> Any:
        """Return what a command shows, a text or plain JSON, without the secrets in its texts. They
        hold what people wrote, and were scrubbed before they were stored: so only what is
        certainly a secret is struck out.
        """
        match value:
            case str():
                return self._needles.strike(value, self._mark, CERTAIN)
            case Mapping():
                return {key: self.scrub_result(each) for key, each in value.items()}
            case list() | tuple():
                return [self.scrub_result(each) for each in value]
            case _:
                return value

    def strike(self, text: str) -> str:
        """Return a text, such as an answer's body, with every known secret struck out, and no more."""
        return self._needles.strike(text, self._mark, ANY)

    def __repr__(self) -> str:
        return f"Redactor({len(self._levels)} values)"


def _pair(encoded: str) -> Iterator[str]:
    """Yield user and password of `Basic` credentials, together and alone."""
    try:
        decoded = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return
    yield decoded
    yield from filter(None, decoded.partition(":")[::2])


class _Needle(NamedTuple):
    """How a text is looked for."""

    level: int

    word: bool
    """Whether it counts only where no letter or digit stands beside it."""

    encoded: bool = False
    """Whether it is Base64, perhaps a part of some more."""


class _Needles:
    """Finds texts in their alphabetic order: thousands cost hardly more than one, also where all of them
    begin alike, as a service's tokens do.
    """

    def __init__(self) -> None:
        # Prepared when they are looked for: thousands are learned one by one.
        self._learned: list[tuple[set[str], int, bool]] = []
        self._known: dict[str, tuple[_Needle, ...]] = {}
        self._ordered: list[str] = []
        self._starts: set[str] = set()
        self._anchors: re.Pattern[str] | None = None  # finds them fast, where they are not too many
        self._shorter: dict[str, str] = {}  # the longest other one that a text begins with
        self._longest = 0
        self._tiny: set[str] = set()

    def learn(self, values: set[str], level: int, *, whole: bool = False) -> None:
        """Look for these; with `whole`, short ones as words of their own, too."""
        self._learned.append((values, level, whole))

    def strike(self, text: str, mark: str, level: int) -> str:
        """Return a text with `mark` in the place of all that is known so well."""
        if not text:
            return text
        self._prepare()
        if not self._ordered and not self._tiny:
            return text
        spans = [
            layer.span(*place) for layer in layers(text) for place in self._found(layer, level)
        ]
        parts: list[str] = []
        at = 0
        for begin, end in merged(spans):
            parts += [text[at:begin], mark]
            at = end
        return "".join((*parts, text[at:]))

    def _prepare(self) -> None:
        if not self._learned:
            return
        learned, self._learned = self._learned, []
        for values, level, whole in learned:
            for form in {form for value in values for form in unescaped(value)}:
                if form.strip():
                    self._put(form, level, whole=whole)
        if len(self._known) == len(self._ordered):
            return
        ordered = sorted(self._known)
        open_: list[str] = []
        for text in ordered:
            while open_ and not text.startswith(open_[-1]):
                open_.pop()
            if open_:
                self._shorter[text] = open_[-1]
            open_.append(text)
        self._ordered = ordered
        self._anchors = _any_of(self._starts) if len(self._starts) <= FEW else None

    def _put(self, value: str, level: int, *, whole: bool) -> None:
        level = level if len(value) >= LONG else ANY
        if len(value) >= (_START if whole else SHORT):
            self._look_for(value, _Needle(level, word=len(value) < LONG))
        else:
            self._tiny.add(value)
        for core, word in base64_of(value):
            if len(core) >= SHORT:
                self._look_for(core, _Needle(level, word, encoded=True))

    def _look_for(self, text: str, needle: _Needle) -> None:
        known = self._known.get(text, ())
        if needle not in known:
            self._known[text] = (*known, needle)
            self._starts.add(text[:_START])
            self._longest = max(self._longest, len(text))

    def _found(self, layer: Layer, level: int) -> Iterator[tuple[int, int]]:
        text = layer.text
        for at in self._candidates(text):
            for known in self._beginning(text, at):
                end = at + len(known)
                for needle in self._known[known]:
                    if needle.level >= level and (not needle.word or _is_word(text, at, end)):
                        yield _whole(text, at, end) if needle.encoded else (at, end)
        for tiny in self._tiny if level == ANY else ():
            at = text.find(tiny)
            while at >= 0:
                if _is_value(text, at, at + len(tiny)):
                    yield at, at + len(tiny)
                at = text.find(tiny, at + 1)

    def _candidates(self, text: str) -> Iterator[int]:
        """Yield the places at which a known text may begin, by its first characters."""
        anchors, starts, at = self._anchors, self._starts, 0
        if anchors is None:
            yield from (
                at for at in range(len(text) - _START + 1) if text[at : at + _START] in starts
            )
            return
        while found := anchors.search(text, at):
            yield found.start()
            at = found.start() + 1

    def _beginning(self, text: str, at: int) -> Iterator[str]:
        """Yield the known texts that stand in a text at a place, the longest first."""
        # The last one in order that is not behind the text begins with each of them.
        position = bisect_right(self._ordered, text[at : at + self._longest])
        known = self._ordered[position - 1] if position else None
        while known is not None:
            if text.startswith(known, at):
                yield known
            known = self._shorter.get(known)


def _any_of(starts: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for texts of one length, as a tree: what begins alike is looked at once."""
    tree: dict[str, dict[str, set[str]]] = {}
    for start in starts:
        tree.setdefault(start[0], {}).setdefault(start[1], set()).add(start[2])

    def one_of(characters: Iterable[str]) -> str:
        return f"[{''.join(map(re.escape, sorted(characters)))}]"

    branches = (
        re.escape(first)
        + f"(?:{'|'.join(re.escape(second) + one_of(thirds) for second, thirds in sorted(rest.items()))})"
        for first, rest in sorted(tree.items())
    )
    return re.compile("|".join(branches))


def _is_word(text: str, begin: int, end: int) -> bool:
    """Return whether no letter or digit stands beside a place."""
    before, after = text[begin - 1 : begin] if begin else "", text[end : end + 1]
    return not (before.isalnum() or after.isalnum())


def _is_value(text: str, begin: int, end: int) -> bool:
    """Return whether a place is in quotes, or behind a name with `=` or `:`."""
    before, after = text[max(0, begin - 2) : begin], text[end : end + 1]
    if before[-1:] in ("'", '"', "`"):
        return after == before[-1:]
    named = before[-1:] == "=" or before in (": ", "= ")
    return named and (not after or after in "&,;)]}\"' \n\r\t")


def _whole(text: str, begin: int, end: int) -> tuple[int, int]:
    """Return the place of all the Base64 that a found part of it belongs to: what stands beside it
    holds the rest of its first and its last character.
    """
    while begin and _ENCODED.fullmatch(text, begin - 1, begin):
        begin -= 1
    rest = _ENCODED_TO_ITS_END.match(text, end)
    return begin, rest.end() if rest else end
