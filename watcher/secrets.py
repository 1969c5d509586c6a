"""Texts of the configuration that may hold secrets: `${NAME}`, `${NAME:-default}`, `${file:PATH}`.

Rules: no value of a secret leaves this module except through `SecretText.read`. Nothing here puts
one into a message, a repr or an exception; whatever was read is known to the `Redactor`, which
strikes it out of texts that are about to be shown.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from watcher.errors import WatcherError

__all__ = ["MissingSecret", "Redactor", "SecretText", "is_sensitive", "parse_text", "spellings"]

_STRUCK = "***"
_SHORTEST = 4  # a shorter value stands in too many innocent words to be struck out
_DISTINCT = 8  # a shorter value is struck out only where it is a word of its own
_FILE_LIMIT = 64 * 1024
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


_BEFORE_HOST = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s?#]+@")
"""User and password in a URL, up to the last @ before its path."""

_SENSITIVE = re.compile(
    r"token|secret|passw|key|auth|cookie|credential|url|header|store|proxy", re.I
)


def is_sensitive(name: str) -> bool:
    """Return whether a setting of this name may hold a secret, so that its value is never shown."""
    return _SENSITIVE.search(name) is not None


def spellings(value: str) -> set[str]:
    """Return how servers write a text that they quote: with and without percent signs, in JSON, in HTML."""
    plain = {value, unquote(value)}
    quoted = {quote(text, safe=safe) for text in plain for safe in ("", "/")}
    return (
        plain | quoted | {json.dumps(text)[1:-1] for text in plain} | set(map(html.escape, plain))
    )


def _search(value: str) -> str:
    """Return the pattern of a secret: a short one only as a word of its own, so that it hides no
    part of ours.
    """
    found = re.escape(value)
    return found if len(value) >= _DISTINCT else rf"(?<![^\W_]){found}(?![^\W_])"


def _any(values: Iterable[str]) -> re.Pattern[str] | None:
    found = "|".join(map(_search, values))
    return re.compile(found) if found else None


def _strike(pattern: re.Pattern[str] | None, text: str) -> str:
    struck = pattern.sub(_STRUCK, text) if pattern is not None else text
    return _BEFORE_HOST.sub(rf"\1{_STRUCK}@", struck) if "@" in struck else struck


class Redactor:
    """Knows the values of secrets and strikes them out of texts for logs, errors and people.

    Values under four characters are not struck out, those under eight only as words of their own.
    What stands before the host of a URL, or next to its other half, is found by its place there,
    however short. A value that was replaced (a renewed token) stays known.
    """

    def __init__(self) -> None:
        self._values: set[str] = set()
        # Made when they are asked for: thousands of secrets are learned one by one.
        self._patterns: dict[int, re.Pattern[str] | None] = {}

    def add(self, value: str) -> None:
        """Learn a secret value in every spelling in which another side may quote it."""
        new = spellings(value) | spellings(value.strip()) | spellings(value.removeprefix("whsec_"))
        self._learn(text for text in new if len(text) >= _SHORTEST)

    def _learn(self, values: Iterable[str]) -> None:
        new = set(values) - self._values
        if new:
            self._values |= new
            self._patterns.clear()

    def _pattern(self, shortest: int) -> re.Pattern[str] | None:
        """Return the pattern of all values that have so many characters."""
        if shortest not in self._patterns:
            longest_first = sorted(self._values, key=lambda text: (-len(text), text))
            self._patterns[shortest] = _any(one for one in longest_first if len(one) >= shortest)
        return self._patterns[shortest]

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
                self._learn(spellings(f"{one}{between}{other}") | spellings(decoded))

    def scrub(self, text: str) -> str:
        """Return the text with every known secret struck out."""
        return _strike(self._pattern(0), text)

    def scrub_sentence(self, text: str) -> str:
        """Return a sentence of this program with every known secret struck out that cannot be a word
        of it. What others said was scrubbed before it was put in.
        """
        return _strike(self._pattern(_DISTINCT), text)

    def __repr__(self) -> str:
        return f"Redactor({len(self._values)} values)"


class MissingSecret(WatcherError):
    """A reference cannot be resolved. `offset` is where it begins in the text."""

    def __init__(self, message: str, remedy: str, offset: int = 0) -> None:
        self.message = message
        self.remedy = remedy
        self.offset = offset
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class _Known:
    """Text that stays as it is: literal, or a variable's value (then `name` is the variable)."""

    text: str
    name: str = ""

    def read(self) -> str:
        return self.text

    def refresh(self) -> None:
        """Nothing to read again: a process keeps its environment."""


class _File:
    """A file's content without its last line break, read again when the file changes."""

    __slots__ = ("_mark", "_path", "_text", "name")

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self._path = path
        self._mark: tuple[int, int, int] | None = None
        self._text = ""

    def read(self) -> str:
        """Return the content; what was read before stands while the file cannot be read."""
        known = self._mark is not None
        try:
            status = os.stat(self._path)  # noqa: PTH116 - follows Kubernetes' links like open does
            mark = (status.st_mtime_ns, status.st_size, status.st_ino)
            if mark != self._mark:
                self._text = self._load()
                self._mark = mark
        except (OSError, ValueError) as error:
            if not known:
                reason = getattr(error, "strerror", None) or "it is not UTF-8 text under 64 KB"
                raise MissingSecret(
                    f"the secret's file {self.name.removeprefix('file:')} cannot be read: {reason}",
                    f"looked for {self._path}; a relative path starts at the folder of this file",
                ) from None
        return self._text

    def refresh(self) -> None:
        """Read the file again next time, changed or not."""
        if self._mark is not None:
            self._mark = (-1, -1, -1)

    def _load(self) -> str:
        with self._path.open("rb") as stream:
            content = stream.read(_FILE_LIMIT + 1)
        if len(content) > _FILE_LIMIT:
            raise ValueError
        try:
            text = content.decode()
        except UnicodeDecodeError:
            raise ValueError from None  # its message would quote the content
        return text.removesuffix("\n").removesuffix("\r")


class SecretText:
    """A text setting whose value may come from the environment or from files.

    `read()` returns the present value. `str` and `repr` never show it: they name the references
    and hide the rest. `names` are the references, `NAME` or `file:PATH`, for messages.
    """

    __slots__ = ("_parts", "_redactor")

    def __init__(self, parts: tuple[_Known | _File, ...], redactor: Redactor) -> None:
        self._parts = parts
        self._redactor = redactor

    @classmethod
    def literal(cls, text: str, redactor: Redactor | None = None) -> SecretText:
        """Hold a text that is written out."""
        return cls((_Known(text),), redactor or Redactor())

    @property
    def names(self) -> tuple[str, ...]:
        """The references in it; empty for a text that is written out."""
        return tuple(part.name for part in self._parts if part.name)

    def read(self) -> str:
        """Return the present value; files are looked at again (one `stat` each).

        Raise MissingSecret only while a file has never been read.
        """
        texts = []
        for part in self._parts:
            text = part.read()
            if part.name:
                self._redactor.add(text)
            texts.append(text)
        return "".join(texts)

    def keep_secret(self, value: str, *, url: bool = False) -> None:
        """Make the redactor strike out the whole present `value`, and with `url` its parts."""
        if url:
            self._redactor.add_url(value)
        else:
            self._redactor.add(value)

    def refresh(self) -> None:
        """Read files again at the next `read`, also where they look unchanged: after a 401."""
        for part in self._parts:
            part.refresh()

    def __str__(self) -> str:
        shown = (f"${{{part.name}}}" if part.name else "…" for part in self._parts)
        return "".join(shown) or "…"

    def __repr__(self) -> str:
        return f"SecretText({str(self)!r})"


def parse_text(
    raw: str, *, environ: Mapping[str, str] | None, folder: Path, redactor: Redactor
) -> tuple[SecretText, tuple[MissingSecret, ...]]:
    """Read the references in a text.

    Relative paths start at `folder`. Return the text and what is wrong with it; a reference that
    cannot be resolved is left out of it. `${NAME:-default}` takes the default where the variable
    is missing or empty, as a shell does. Without an `environ` only the form is checked, and
    every reference stands for nothing.
    """
    parts: list[_Known | _File] = []
    problems: list[MissingSecret] = []
    position = 0
    while (dollar := raw.find("$", position)) >= 0:
        if dollar > position:
            parts.append(_Known(raw[position:dollar]))
        follow = raw[dollar + 1 : dollar + 2]
        if follow == "{":
            close = raw.find("}", dollar)
            if close < 0:
                problems.append(
                    MissingSecret("`${` is not closed", "write `${NAME}`, or `$$` for a $", dollar)
                )
                return SecretText(tuple(parts), redactor), tuple(problems)
            try:
                parts.append(_reference(raw[dollar + 2 : close], environ, folder))
            except MissingSecret as missing:
                missing.offset = dollar
                problems.append(missing)
            position = close + 1
        else:
            parts.append(_Known("$"))
            position = dollar + (2 if follow == "$" else 1)
    if position < len(raw):
        parts.append(_Known(raw[position:]))
    return SecretText(tuple(parts), redactor), tuple(problems)


def _reference(inner: str, environ: Mapping[str, str] | None, folder: Path) -> _Known | _File:
    """Resolve what stands between the braces."""
    if inner.startswith("file:"):
        path = inner.removeprefix("file:")
        if not path.strip() or "\0" in path:
            raise MissingSecret("`${file:}` names no file", "write `${file:/run/secrets/name}`")
        if environ is None:
            return _Known("", inner)
        file = _File(inner, folder / path)
        file.read()
        return file
    name, has_default, default = inner.partition(":-")
    if not _NAME.match(name):
        # What stands there may be a secret in the wrong place, so it is not repeated.
        raise MissingSecret(
            "`${…}` does not hold the name of a variable",
            "write `${NAME}`, `${NAME:-default}` or `${file:PATH}`; `$$` is a dollar sign",
        )
    if environ is None:
        return _Known("", name)
    value = environ.get(name)
    if value or (value is not None and not has_default):
        return _Known(value, name)
    if has_default:
        return _Known(default)
    raise MissingSecret(
        f"the environment variable {name} is not set",
        f"set {name}, or write `${{{name}:-default}}`; `check --no-secrets` leaves secrets out",
    )
