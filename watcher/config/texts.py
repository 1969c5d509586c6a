"""Settings of the tree as plain values, with the secrets in their texts resolved.

Rules: knows texts and secrets, no setting. What cannot be resolved is a problem, and is
marked as left out, so that everything else can still be checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from watcher.config.tree import Entries, Items, Node, Scalar
from watcher.errors import Problem
from watcher.secrets import MissingSecret, Redactor, SecretText, parse_text
from watcher.settings.base import SettingText

__all__ = ["Texts"]

LEFT_OUT = "left-out"
"""Stands for a text whose reference is not resolved, where a setting takes any text."""


class Texts:
    """Resolves the texts of settings.

    With `secrets=False` every reference is left out; with `learns`, the redactor learns all the same
    what can be resolved. `problems` collects what cannot be resolved, once for each text.
    """

    def __init__(
        self,
        *,
        environ: Mapping[str, str],
        folders: Mapping[str, Path],
        redactor: Redactor,
        secrets: bool = True,
        learns: bool = False,
    ) -> None:
        self.redactor = redactor
        self.problems: list[Problem] = []
        self._environ = environ
        self._folders = folders
        self.secrets = secrets
        self._learns = learns and not secrets
        self._texts: dict[Scalar, SecretText] = {}
        self._left_out: set[Scalar] = set()

    def text(self, scalar: Scalar) -> SecretText:
        """Return a text setting; references that cannot be resolved become a problem."""
        known = self._texts.get(scalar)
        if known is None:
            known = self._texts[scalar] = self._read(scalar)
        return known

    def _read(self, scalar: Scalar) -> SecretText:
        text, missing = parse_text(
            scalar.raw,
            environ=self._environ if self.secrets else None,
            folder=self._folders[scalar.place.file],
            redactor=self.redactor,
        )
        for problem in missing:
            place = scalar.at(problem.offset)
            self.problems.append(place.problem(problem.message, problem.remedy))
        if missing or (text.names and not self.secrets):
            self._left_out.add(scalar)
        return text

    def files(self) -> Iterator[tuple[Scalar, Path]]:
        """Yield the files that texts are read from, with the text that names each."""
        for scalar, text in self._texts.items():
            for file in text.files:
                yield scalar, file

    def written_out(self) -> Iterator[Scalar]:
        """Yield the texts of secrets that stand in the files themselves, by setting."""
        for scalar, text in self._texts.items():
            if text.written_out:
                yield scalar

    def folder(self, scalar: Scalar) -> Path:
        """Return the folder of the file that a text stands in, where relative paths start."""
        return self._folders[scalar.place.file]

    def refers(self, node: Node) -> bool:
        """Return whether a value comes, wholly or in part, from outside the file."""
        return isinstance(node, Scalar) and isinstance(node.value, str) and "${" in node.raw

    def left_out(self, node: Node) -> bool:
        """Return whether a value was left out, so that nothing may be concluded from it."""
        return isinstance(node, Scalar) and node in self._left_out

    def left_out_within(self, node: Node) -> bool:
        """Return whether anything in it was left out."""
        if not self._left_out:
            return False
        match node:
            case Entries():
                return any(self.left_out_within(entry.value) for entry in node)
            case Items():
                return any(map(self.left_out_within, node.items))
            case _:
                return node in self._left_out

    def plain(self, node: Node, *, resolve: bool = True) -> Any:
        """Return the node as plain Python values; with `resolve`, references are replaced."""
        match node:
            case Entries():
                return {
                    entry.name: self.plain(entry.value, resolve=resolve) for entry in node.entries
                }
            case Items():
                return [self.plain(item, resolve=resolve) for item in node.items]
            case Scalar(value=str()) if resolve:
                return self._value(node)
            case _:
                return node.value

    def _value(self, scalar: Scalar) -> SettingText:
        text, value = self.text(scalar), LEFT_OUT
        if scalar not in self._left_out:
            try:
                value = text.read()
            except MissingSecret as missing:  # the file vanished since it was parsed
                self.problems.append(scalar.place.problem(missing.message, missing.remedy))
                self._left_out.add(scalar)
        left_out = scalar in self._left_out
        known = self._known(scalar) if left_out and self._learns else None
        return SettingText(value, text, self.folder(scalar), left_out=left_out, known=known)

    def _known(self, scalar: Scalar) -> str:
        """Return a text that is left out as it is, empty if it cannot be read."""
        text, missing = parse_text(
            scalar.raw,
            environ=self._environ,
            folder=self._folders[scalar.place.file],
            redactor=self.redactor,
        )
        try:
            return "" if missing else text.read()
        except MissingSecret:
            return ""
