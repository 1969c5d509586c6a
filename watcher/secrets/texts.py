"""Texts of the configuration that may hold secrets: `${NAME}`, `${NAME:-default}`, `${file:PATH}`.

Rules: no value of a secret leaves this module except through `SecretText.read`. Nothing here puts
one into a message, a repr or an exception; whatever was read is known to the `Redactor`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from watcher.errors import WatcherError
from watcher.secrets import files
from watcher.secrets.redactor import Redactor

__all__ = ["MissingSecret", "SecretText", "parse_text"]

FIRST, AGAIN = 5.0, 0.25
"""Seconds that a file may take: when it was never read, and later, when its last value is known."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


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

    __slots__ = ("_mark", "_reading", "_text", "name", "path")

    def __init__(self, name: str, path: Path) -> None:
        self.name = name
        self.path = path
        self._mark: files.Mark | None = None
        self._text = ""
        self._reading: files.Reading | None = None

    def read(self) -> str:
        """Return the content; what was read before stands while the file cannot be read, or hangs."""
        known = self._mark is not None
        try:
            if self._reading is None:
                self._reading = files.begin(self.path, self._mark)
            elif not self._reading.done():
                return self._text  # it hung the last time, and still does
            mark, content = files.take(self._reading, AGAIN if known else FIRST)
            self._reading = None
            if content is not None:
                self._text = _text_of(content)
            self._mark = mark
        except (OSError, ValueError) as error:
            if self._reading is not None and self._reading.done():
                self._reading = None
            if not known:
                self._reading = None
                reason = getattr(error, "strerror", None) or "it is not UTF-8 text under 64 KB"
                raise MissingSecret(
                    f"the secret's file {self.name.removeprefix('file:')} cannot be read: {reason}",
                    f"looked for {self.path}; a relative path starts at the folder of this file",
                ) from None
        return self._text

    def refresh(self) -> None:
        """Read the file again next time, changed or not."""
        if self._mark is not None:
            self._mark = (-1, -1, -1)


def _text_of(content: bytes) -> str:
    """Return a file's text; raise ValueError, which never quotes it."""
    if len(content) > files.LARGEST:
        raise ValueError
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise ValueError from None
    return text.removesuffix("\n").removesuffix("\r")


class SecretText:
    """A text setting whose value may come from the environment or from files.

    `read()` returns the present value. `str` and `repr` never show it: they name the references
    and hide the rest. `names` are the references, `NAME` or `file:PATH`, for messages.
    """

    __slots__ = ("_is_secret", "_parts", "_redactor")

    def __init__(self, parts: tuple[_Known | _File, ...], redactor: Redactor | None) -> None:
        self._parts = parts
        self._is_secret = False
        self._redactor = redactor

    @classmethod
    def literal(cls, text: str, redactor: Redactor | None = None) -> SecretText:
        """Hold a text that is written out."""
        return cls((_Known(text),), redactor)

    @property
    def names(self) -> tuple[str, ...]:
        """The references in it; empty for a text that is written out."""
        return tuple(part.name for part in self._parts if part.name)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it is read from."""
        return tuple(part.path for part in self._parts if isinstance(part, _File))

    def read(self) -> str:
        """Return the present value; files are looked at again (one `stat` each).

        Raise MissingSecret only while a file has never been read.
        """
        texts = []
        for part in self._parts:
            text = part.read()
            if part.name and self._redactor is not None:
                self._redactor.add(text, certain=False)
            texts.append(text)
        return "".join(texts)

    @property
    def written_out(self) -> bool:
        """Whether it is a secret of which no part comes from outside the file."""
        return self._is_secret and not self.names

    def keep_secret(self, value: str, *, url: bool = False, bare: bool = False) -> None:
        """Make the redactor strike out the whole present `value`, and with `url` its parts. A `bare` one is
        struck out as well, but whoever reads it learns an address and no secret.
        """
        self._is_secret = bool(value) and not bare
        if self._redactor is None:
            return  # a text that nobody's redactor is asked about
        if url:
            self._redactor.add_url(value)
        elif value:
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
