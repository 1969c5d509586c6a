"""The forms in which a text comes back from another side: what escapes hide of it, and its Base64.

Rules: pure. Escapes are undone rather than foreseen: percent signs, JSON, HTML and Python's bytes, one
within the other, in capitals or small letters. What was found is told as a place in the text as it was.
"""

from __future__ import annotations

import base64
import html
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Layer", "base64_of", "layers", "merged", "unescaped"]

DEPTH = 4
"""How often escapes are undone: JSON in HTML in a percent-encoded text, and one more."""

SHORTEST_CORE = 8
"""Characters of Base64 that do not depend on their neighbours; fewer may be a part of any word."""

_ESCAPES = re.compile(
    r"%[0-9A-Fa-f]{2}(?:%[0-9A-Fa-f]{2})*|\\x[0-9A-Fa-f]{2}(?:\\x[0-9A-Fa-f]{2})*"
    r"|\\u[0-9A-Fa-f]{4}(?:\\u[0-9A-Fa-f]{4})*|\\[\"\\/'bfnrt]"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"
)
"""Each kind begins with its own sign, so that the search goes from sign to sign."""

_SINGLE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Layer:
    """A text after some escapes were undone; of a layer `below`, none for a text as it is."""

    text: str

    below: Layer | None = None

    begins: Sequence[int] = ()
    """Where each of its pieces begins: what stood between two escapes, or what an escape stands for."""

    came_from: Sequence[int] = ()
    """Where each piece begins in the layer below."""

    written: Sequence[bool] = ()
    """Whether each piece is as it was, character by character."""

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """Return the place of characters in the original."""
        if self.below is None:
            return begin, end
        return self.below.span(self._below(begin), self._below(end))

    def _below(self, at: int) -> int:
        piece = bisect_right(self.begins, at) - 1
        return self.came_from[piece] + (at - self.begins[piece]) * self.written[piece]


def layers(text: str) -> Iterator[Layer]:
    """Yield a text as it is, then with its escapes undone, again and again."""
    layer = Layer(text)
    yield layer
    for _ in range(DEPTH):
        if "%" not in layer.text and "\\" not in layer.text and "&" not in layer.text:
            return
        inner = _unescape(layer)
        if inner.text == layer.text:
            return
        layer = inner
        yield layer


def unescaped(text: str) -> set[str]:
    """Return all that a text may mean where its escapes are undone, itself included."""
    return {layer.text for layer in layers(text)}


def _unescape(layer: Layer) -> Layer:
    """Return the layer above: it costs what its escapes are, not what its text is."""
    text = layer.text
    pieces: list[str] = []
    begins: list[int] = []
    came_from: list[int] = []
    written: list[bool] = []
    length = at = 0

    def add(piece: str, position: int, *, as_it_was: bool) -> None:
        nonlocal length
        pieces.append(piece)
        begins.append(length)
        came_from.append(position)
        written.append(as_it_was)
        length += len(piece)

    for found in _ESCAPES.finditer(text):
        if found.start() > at:
            add(text[at : found.start()], at, as_it_was=True)
        position = found.start()
        for meant, width in _meant(found.group()):
            add(meant, position, as_it_was=False)
            position += width
        at = found.end()
    add(text[at:], at, as_it_was=True)
    return Layer("".join(pieces), layer, begins, came_from, written)


def _meant(escape: str) -> Iterator[tuple[str, int]]:
    """Yield what an escape stands for, each text with the number of characters that it is written in."""
    match escape[:2]:
        case "\\u":
            units = [int(escape[at + 2 : at + 6], 16) for at in range(0, len(escape), 6)]
            raw = b"".join(unit.to_bytes(2, "big") for unit in units)
            for char in raw.decode("utf-16-be", "replace"):
                yield char, 12 if ord(char) > 0xFFFF else 6
        case "\\x":
            yield from _bytes_of(bytes.fromhex(escape.replace("\\x", "")), 4)
        case _ if escape[0] == "%":
            yield from _bytes_of(bytes.fromhex(escape.replace("%", "")), 3)
        case _ if escape[0] == "&":
            yield html.unescape(escape), len(escape)
        case _:
            yield _SINGLE.get(escape[1], escape[1]), 2


def _bytes_of(raw: bytes, width: int) -> Iterator[tuple[str, int]]:
    try:
        decoded = raw.decode()
    except UnicodeDecodeError:
        decoded = ""
    if decoded:
        for char in decoded:
            yield char, width * len(char.encode())
    else:
        for byte in raw:
            yield chr(byte), width


def base64_of(value: str) -> Iterator[tuple[str, bool]]:
    """Yield what stands in Base64 wherever a text is a part of what was encoded (its three alignments,
    and the alphabet of addresses). Where it is too short for that, yield its own Base64; the flag
    says that this one is a whole word.
    """
    encodings = {value.encode(errors="surrogatepass")}
    if not value.isascii():
        encodings.add(value.encode("latin-1", "ignore"))
    for raw in encodings:
        for lead in range(3):
            encoded = base64.b64encode(b"\0" * lead + raw).decode()
            core = encoded[-(-lead * 8 // 6) : (lead + len(raw)) * 8 // 6]
            if len(core) < SHORTEST_CORE and lead:
                continue
            if len(core) < SHORTEST_CORE:
                core = encoded.rstrip("=")
            for one in {core, core.replace("+", "-").replace("/", "_")}:
                yield one, len(core) < SHORTEST_CORE


def merged(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return places without overlaps, in order."""
    whole: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if whole and begin <= whole[-1][1]:
            whole[-1] = (whole[-1][0], max(end, whole[-1][1]))
        else:
            whole.append((begin, end))
    return whole
