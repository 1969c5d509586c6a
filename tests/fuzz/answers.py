"""Hostile answers, each the same for the same seed.

Rules: knows the shapes of real answers and how to spoil them, and nothing of how they are read.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from watcher.providers import Response

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)

STATUSES = (
    *(0, 1, 100, 101, 200, 201, 204, 206, 226, 299, 300, 301, 304, 307, 400, 401, 402, 403, 404),
    *(405, 406, 408, 409, 410, 418, 422, 425, 426, 429, 431, 451, 499, 500, 501, 502, 503, 504),
    *(511, 520, 530, 599, 600, 999, -1),
)

_MARK = re.compile(r'"@raw:(\d+)@"')
_TWICE = re.compile(r'"@twice\d*@')

HUGE = (
    "[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000, "9" * 100_000,
    "[" + "{}," * 30_000 + "0]", "[" + "[]," * 30_000 + "0]",
)  # fmt: skip
"""Tokens that are rare, because making them takes longer than reading them."""

RAW = (
    "NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "-0", "0.1e1", "1E400",
    "9" * 4299, "9" * 4301, "-" + "9" * 5000, "0." + "1" * 5000,
    "[" * 199 + "]" * 199, "[" * 260 + "]" * 260, '{"a":' * 150 + "1" + "}" * 150,
    "tru", "undefined", "'x'", "01", "+1", "1_000", "0x10", "\\ud800", '"\\ud83d"', '"\\ude00x"',
    '"\\ud83d\\u0041"', '"\\u0000"', '"\\ud83d\\ude00"', '"\\\\ud83d"', '"\\x41"', '"\t"', '"',
    "/* c */ 1", "", "[1,]", '{"a" 1}',
)  # fmt: skip

SOUND = (
    "1e999", "-1e999", "1e-999", "-0", "-0.0", "1E400", "9" * 4299, "-" + "9" * 400, "9" * 19, "9" * 20,
    "0." + "1" * 5000, "[" * 150 + "]" * 150, '{"a":' * 150 + "1" + "}" * 150, "[" * 30 + "1" + "]" * 30,
    '"\\ud83d"', '"\\ude00x"', '"\\u0000"', '"\\u001b[2J"', '{"":{"":[]}}', '{"a":1,"a":"2"}',
    '{"\\ud83d":1,"\\ude00":2}', '{"id":1e999}', "[1e999,null]", '{"outcome":{"a":-1e999}}',
)  # fmt: skip
"""Tokens that JSON's grammar allows."""

TEXTS = (
    "", " ", "\0", "a\0b", "\x1b[2J\x1b[31m", "\ud800", "\udfff\ud800", "é" * 40, "漢字🙂", "\u202eabc",
    "\ufeff", "\u2028", "../..", "..", ".", "/", "%2e%2e", "?a=b#c", "a/b\\c", "'; DROP TABLE x; --",
    "{{ 7 * 7 }}", "{% for i in range(10**9) %}x{% endfor %}", "${HOME}", "<script>alert(1)</script>",
    "-1", "0", "00", "1", "1.5", "1e5", "1e999", "-1e999", "nan", "inf", "9" * 30, "9" * 4400, "٣٣٣", "²",
    "true", "null", "None", "2026-11-20T09:59:00Z", "2026-11-20T09:59:00.1234567Z", "2026-11-20",
    "2026-11-20T09:59:60Z", "0001-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00", "99999-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "2026-W47-5",
    "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "20261120T095900Z", "2026-11-20T09:59:00+99:99",
    "Fri, 20 Nov 2026 09:59:00 GMT", "/Date(1700000000000)/", "yesterday", "1763632740", "1763632740000",
    "Channel::", "TYPE_", "TYPE_CUSTOM_", "::" * 50, "bot:1", "AgentBot", "resolved", "open",
)  # fmt: skip

NUMBERS = (
    0, -1, 1, 2, 3, -0.0, 0.5, 1.5, 10, 11, 99, 127, 255, 2**31 - 1, 2**31, 2**53, 2**53 + 1, 2**63 - 1,
    2**63, -(2**63) - 1, 2**64, 10**30, -(10**30), 10**300, 1e16, 1e17, 1e18, 1e19, 1e300, -1e300,
    5e-324, 1_700_000_000, 1_700_000_000_000, 1_700_000_000_000_000, -62_135_596_800, -62_135_596_801,
    253_402_300_799, 253_402_300_800, 99_999_999_999, 100_000_000_000, 7_258_118_400_000,
    -1_700_000_000, 1_700_000_000.5,
)  # fmt: skip


class Maker:
    """Makes one answer out of real ones (`shapes`: JSON texts of whole pages)."""

    def __init__(self, rng: random.Random, shapes: tuple[str, ...]) -> None:
        self.rng = rng
        self.shapes = shapes
        self.raw: list[str] = []
        self.done: list[str] = []

    def response(self, benign: bool = False) -> Response:
        """Return an answer; a `benign` one is a real page, so that walks go on."""
        rng = self.rng
        plain = json.loads(rng.choice(self.shapes))
        if benign:
            return _respond(200, json.dumps(plain).encode(), {})
        kind = rng.choices(
            (self.fields, self.structure, self.rows, self.text, self.junk),
            weights=(45, 25, 10, 12, 8),
        )[0]
        body = kind(plain)
        status = 200 if rng.random() < 0.85 else rng.choice(STATUSES)
        return _respond(status, body, self.headers())

    # -- kinds of spoiling -------------------------------------------------------------------

    def structure(self, plain: Any) -> bytes:
        """Spoil values, keys and nesting of a page that is JSON otherwise."""
        self.done.append("structure")
        holder = {"": plain}
        for _ in range(self.rng.choice((1, 1, 1, 1, 2, 3, 5, 12))):
            self._spoil(holder)
        return self._encode(holder.get(""))

    def fields(self, plain: Any) -> bytes:
        """Spoil single values of a few rows and nothing else: most of these pages are read."""
        rng = self.rng
        self.done.append("fields")
        nodes = _nodes(plain)
        lists = [one for one in nodes if isinstance(one, list) and one and isinstance(one[0], dict)]
        if lists:
            rows = lists[0]
            rows[:] = rng.sample(rows, min(len(rows), rng.choice((1, 1, 2, 3))))
        for row in lists[0] if lists else [plain]:
            inner = [one for one in _nodes(row) if one]
            for _ in range(rng.choice((1, 1, 2, 3)) if inner else 0):
                node = rng.choice((inner[0], inner[0], *inner))
                at = rng.randrange(len(node)) if isinstance(node, list) else rng.choice(list(node))
                node[at] = self._value(0) if rng.random() < 0.9 else _turned(node[at])
            if rng.random() < 0.15 and isinstance(row, dict):
                row["id"] = rng.choice(TEXTS) if rng.random() < 0.5 else self._value(0)
        return self._encode(plain)

    def rows(self, plain: Any) -> bytes:
        """Multiply, repeat, shuffle or empty the lists of a page."""
        rng = self.rng
        self.done.append("rows")
        lists = [one for one in _nodes({"": plain}) if isinstance(one, list)]
        if lists:
            rows = rng.choice(lists)
            most = rng.choices((30, 300, 3_000, 12_000), weights=(930, 60, 7, 3))[0]
            what = [*rows, *(self._value(0) for _ in range(3))]
            if rng.random() < 0.5:
                what = rows or what
            size = rng.randrange(most) if most < 3_000 else most
            if most < 3_000 and rng.random() < 0.7:
                grown = [json.loads(json.dumps(one)) for one in rng.choices(what, k=size)]
                for number, one in enumerate(grown):
                    if isinstance(one, dict) and rng.random() < 0.8:
                        one["id"] = f"r{number}" if rng.random() < 0.7 else number
            else:
                grown = rng.choices(what, k=size)
            rows[:] = grown
            rng.shuffle(rows)
        if rng.random() < 0.3:
            self._spoil({"": plain})
        return self._encode(plain)

    def text(self, plain: Any) -> bytes:
        """Spoil the bytes of a real page: cut it, flip, insert, repeat, encode otherwise."""
        rng = self.rng
        self.done.append("text")
        body = bytearray(self._encode(plain))
        for _ in range(rng.choice((1, 1, 2, 5))):
            at = rng.randrange(len(body) + 1)
            match rng.randrange(9):
                case 0:
                    del body[at:]
                case 1:
                    del body[:at]
                case 2:
                    body[at : at + rng.randrange(20)] = b""
                case 3:
                    body[at:at] = rng.randbytes(rng.randrange(1, 12))
                case 4 if body:
                    body[at % len(body)] = rng.randrange(256)
                case 5:
                    body[at:at] = rng.choice(
                        (b"[", b"{", b'"', b"\\", b",", b":", b"}", b"]", b"\0")
                    )
                case 6:
                    body += rng.choice((b"{}", b" ", b"\n\n", b"</html>", bytes(body[:200])))
                case 7:
                    body[:0] = rng.choice((b"\xef\xbb\xbf", b")]}',\n", b"\xff\xfe", b" ", b"\0"))
                case _:
                    body[at:at] = rng.choice(RAW).encode(errors="surrogatepass")
        if rng.random() < 0.05:
            body = bytearray(bytes(body).decode("latin-1").encode(rng.choice(("utf-16", "utf-32"))))
        return bytes(body)

    def junk(self, plain: Any) -> bytes:
        """Return a body that has nothing of a page."""
        rng = self.rng
        self.done.append("junk")
        whole = self._encode(plain)
        makers: tuple[Callable[[], bytes], ...] = (
            lambda: rng.randbytes(rng.randrange(200)),
            lambda: b"",
            lambda: b"<!doctype html><title>Sign in</title>" * rng.randrange(1, 50),
            lambda: rng.choice(RAW).encode(),
            lambda: rng.choice(HUGE).encode() if rng.random() < 0.1 else b"[" * 300,
            lambda: b'{"items":' * rng.choice((2, 300)),
            lambda: b"1 " * rng.choice((10, 1_000)),
            lambda: b'"' + b"a" * rng.choice((10, 10_000)) + b'"',
            lambda: whole + whole,
            lambda: self._encode(self._value(0)),
            lambda: self._encode(
                {rng.choice(("message", "error", "errors", "detail")): self._value(1)}
            ),
        )  # fmt: skip
        return rng.choice(makers)()

    def headers(self) -> dict[str, str]:
        """Return headers, half of the time nonsense."""
        rng = self.rng
        if rng.random() < 0.5:
            return {"content-type": "application/json"}
        names = (
            "retry-after", "x-ratelimit-remaining", "x-ratelimit-interval-milliseconds",
            "x-ratelimit-daily-remaining", "x-ratelimit-max", "content-type", "www-authenticate",
            "date",
        )  # fmt: skip
        more = ("Bearer error=x", "text/html", "application/gzip", "Mon, 01 Jan 0001 00:00:00 GMT")
        return {
            name: rng.choice((*TEXTS, *more, *(str(n) for n in NUMBERS))) for name in names
            if rng.random() < 0.4
        }  # fmt: skip

    # -- single values -----------------------------------------------------------------------

    def _spoil(self, holder: dict[str, Any]) -> None:
        """Spoil one place, likelier a deep one than the page as a whole."""
        rng = self.rng
        nodes = [one for one in _nodes(holder) if one]
        if not nodes:
            holder[""] = self._value(0)
            return
        node = rng.choice(nodes[1:] or nodes) if rng.random() < 0.97 else nodes[0]
        if isinstance(node, list):
            at: Any = rng.randrange(len(node))
        else:
            at = rng.choice(list(node))
        match rng.randrange(12):
            case 0:
                del node[at]
            case 1 if isinstance(node, dict):
                node[self._key()] = self._value(0)
            case 2 if isinstance(node, dict):
                node[f"@twice{rng.randrange(9)}@{at}"] = self._value(0)
            case 3:
                node[at] = _turned(node[at])
            case 4:
                other = rng.choice(nodes)
                value = rng.choice(list(other.values()) if isinstance(other, dict) else other)
                node[at] = json.loads(json.dumps(value))
            case 5 if isinstance(node, list):
                node += [node[at]] * rng.randrange(1, 4)
            case _:
                node[at] = self._value(0)

    def _key(self) -> str:
        return self.rng.choice((*TEXTS, "id", "sort", "deletedAt", "__proto__", "k" * 5_000))

    def _value(self, depth: int) -> Any:
        rng = self.rng
        match rng.randrange(14):
            case 0:
                return None
            case 1:
                return rng.random() < 0.5
            case 2 | 3:
                return rng.choice(NUMBERS)
            case 4:
                return rng.randrange(-(10 ** rng.randrange(1, 40)), 10 ** rng.randrange(1, 40))
            case 5 | 6 | 7:
                return rng.choice(TEXTS)
            case 8:
                tokens = HUGE if rng.random() < 0.02 else RAW if rng.random() < 0.4 else SOUND
                self.raw.append(rng.choice(tokens))
                return f"@raw:{len(self.raw) - 1}@"
            case 9:
                sizes = (100, 3_000, 120_000, 2_000_000)
                size = rng.choices(sizes, weights=(860, 133, 6, 1))[0]
                return rng.choice(("a", "é", "🙂", "\n", ",", "[")) * size
            case 10:
                return chr(rng.randrange(0x110000)) * rng.randrange(1, 4)
            case 11:
                at = NOW + timedelta(seconds=rng.uniform(-6e10, 2e11))
                return at.isoformat()
            case 12 if depth < 4:
                width = rng.choice((0, 1, 3, 40)) if rng.random() < 0.998 else 20_000
                return [self._value(depth + 1) if width < 100 else 1 for _ in range(width)]
            case _ if depth < 4:
                return {self._key(): self._value(depth + 1) for _ in range(rng.randrange(4))}
        return {}

    def _encode(self, plain: Any) -> bytes:
        text = json.dumps(plain, ensure_ascii=self.rng.random() < 0.5)
        if self.raw:
            text = _MARK.sub(lambda match: self.raw[int(match[1])], text)
        if "@twice" in text:
            text = _TWICE.sub('"', text)
        return text.encode(errors="surrogatepass")


def _respond(status: int, body: bytes, headers: dict[str, str]) -> Response:
    return Response(status, body, headers, NOW - timedelta(milliseconds=80), NOW)


def _nodes(holder: Any) -> list[Any]:
    """Return every list and object within, at most some thousands, the outermost first."""
    found: list[Any] = []
    waiting = [holder]
    while waiting and len(found) < 3_000:
        node = waiting.pop(0)
        found.append(node)
        inner = node.values() if isinstance(node, dict) else node
        waiting += [one for one in inner if isinstance(one, dict | list)]
    return found


def _turned(value: Any) -> Any:
    """Return a value as another type."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 400 else [value]
    if isinstance(value, list):
        return dict(enumerate(value[:5])) if value else {}
    return list(value.values()) if isinstance(value, dict) else 0
