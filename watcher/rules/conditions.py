"""Conditions: a CEL expression that is compiled once and asked about many events.

Law: pure. What is wrong with an expression whatever the event is found when it is compiled; what
goes wrong with one event is an `EvaluationError`, and nothing else is ever raised.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import cel

from watcher.errors import WatcherError
from watcher.model import Event
from watcher.rules._checker import Finding, Reading, read
from watcher.rules._operators import WORDS
from watcher.rules._tokens import Stop
from watcher.vocabulary import SAMPLES, variables

__all__ = [
    "Condition",
    "Context",
    "EvaluationError",
    "Expression",
    "ExpressionError",
    "compile_condition",
    "compile_expression",
    "context",
]

LONGEST = 4096
"""Characters of an expression. The library's parser recurses: at eight times this length a chain
such as `1 + 1 + …` was seen to overflow a thread's stack of 8 MB, which ends the process.
"""

_MATCHES = cel.compile("''.matches(pattern)")
_LASTS = frozenset({"source", "provider", "conversation"})
SILENCE_NAMES = ("rule", "receiver", "severity")
"""What the `match` of a silence sees besides the event."""

_SAME_CONVERSATION = '[source, conversation == null ? "" : conversation.id]'
_FAILURES = (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError)


class ExpressionError(WatcherError):
    """An expression is wrong, whatever the event.

    `message` says what was found and what is allowed, `offset` counts characters from the
    expression's start, `suggestion` is what was probably meant (None where nothing comes close).
    `others` are the further mistakes of the same expression, in reading order.
    """

    def __init__(
        self,
        message: str,
        offset: int = 0,
        suggestion: str | None = None,
        others: tuple[ExpressionError, ...] = (),
    ) -> None:
        self.message = message
        self.offset = offset
        self.suggestion = suggestion
        self.others = others
        super().__init__(message)


class EvaluationError(WatcherError):
    """A condition cannot be evaluated for one event; `message` says why in one line."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Context:
    """One event as conditions see it; built once and shared by all conditions."""

    cel: cel.Context


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled expression. `roots` are the names that it reads."""

    source: str
    roots: frozenset[str]
    _program: cel.Program

    @property
    def lasts(self) -> bool:
        """Whether it speaks of the conversation's state alone, which can be asked again later;
        `type`, `changes`, `observed`, `delay` and `reason` belong to the moment of the event.
        """
        return self.roots <= _LASTS

    def holds(self, context: Context) -> bool:
        """Tell whether the event fulfils the condition; raises EvaluationError."""
        try:
            result = self._program.execute(context.cel)
        except _FAILURES as failure:
            raise EvaluationError(_explain(failure)) from None
        if not isinstance(result, bool):
            raise EvaluationError(f"the result is {_kind(result)}, not true or false")
        return result


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression whose value groups events: those with the same one belong together."""

    source: str
    _program: cel.Program

    def key(self, context: Context) -> str:
        """Give the value for one event as text (JSON); raises EvaluationError."""
        try:
            result = self._program.execute(context.cel)
        except _FAILURES as failure:
            raise EvaluationError(_explain(failure)) from None
        return json.dumps(result, sort_keys=True, default=str, ensure_ascii=False)


def context(event: Event, **more: str) -> Context:
    """Make an event known to conditions, for silences with `rule`, `receiver` and `severity`.
    Never fails: what CEL cannot hold is replaced.
    """
    names = variables(event) | more
    try:
        return Context(cel.Context(names))
    except (OverflowError, TypeError, ValueError):
        return Context(cel.Context({name: _holdable(value) for name, value in names.items()}))


def _holdable(value: Any) -> Any:
    """Replace lone surrogates, which JSON can spell (`"\\ud83d"`) and CEL's texts cannot hold."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, Mapping):
        return {_holdable(str(key)): _holdable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_holdable(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def compile_condition(source: str, *, silence: bool = False) -> Condition:
    """Compile an expression; raises ExpressionError with every mistake that it finds.

    Checked are the syntax, every name, field and function wherever it stands, the types of
    operands, and what a trial run over sample events brings up. With `silence` it also sees
    `rule`, `receiver` and `severity`.
    """
    program, reading = _compile(source, SILENCE_NAMES if silence else ())
    if reading.shape.kind not in ("bool", "any"):
        message = f"the condition gives {WORDS[reading.shape.kind]}, not true or false"
        raise ExpressionError(message)
    condition = Condition(source, reading.roots, program)
    _try(program, boolean=True)
    return condition


def compile_expression(source: str) -> Expression:
    """Compile an expression that groups events; raises ExpressionError as for conditions.

    The word `conversation` stands for the conversation's id: the whole changes with every event.
    """
    meant = _SAME_CONVERSATION if source.strip() == "conversation" else source
    program, _ = _compile(meant, ())
    _try(program, boolean=False)
    return Expression(source, program)


def _compile(source: str, more: tuple[str, ...]) -> tuple[cel.Program, Reading]:
    if not source.strip():
        raise ExpressionError("the expression is empty")
    if len(source) > LONGEST:
        raise ExpressionError(f"the expression is longer than {LONGEST} characters", LONGEST)
    try:
        program = cel.compile(source)
    except ValueError as failure:  # UnicodeEncodeError is one, too
        raise _syntax_error(source, str(failure)) from None
    try:
        reading = read(source, more)
    except Stop as stop:
        raise ExpressionError(stop.message, stop.offset) from None
    findings = reading.findings + tuple(_bad_patterns(reading.patterns))
    if findings:
        raise _collect(findings)
    return program, reading


def _collect(findings: tuple[Finding, ...]) -> ExpressionError:
    errors = [ExpressionError(one.message, one.offset, one.suggestion) for one in findings]
    errors[0].others = tuple(errors[1:])
    return errors[0]


def _bad_patterns(patterns: tuple[tuple[str, int], ...]) -> Iterator[Finding]:
    """Try the regular expressions, also those that a run over the samples would not come to."""
    for pattern, offset in patterns:
        try:
            _MATCHES.execute({"pattern": pattern})
        except RuntimeError as failure:
            cause = str(failure).rpartition("error: ")[2].partition(". Check")[0]
            message = f"this is no regular expression: {' '.join(cause.split())}"
            yield Finding(message, offset)


def _try(program: cel.Program, *, boolean: bool) -> None:
    """Run over the samples. In the first every field has a value, so only what is open may be
    missing there; in the others anything may be null.
    """
    for number, sample in enumerate(SAMPLES):
        try:
            result = program.execute(context(sample, **dict.fromkeys(SILENCE_NAMES, "")).cel)
        except LookupError:
            continue  # a key of `attributes`, a label by number: known only at run time
        except _FAILURES as failure:
            if number == 0:
                raise ExpressionError(f"tried on a sample event: {_explain(failure)}") from None
            continue
        if boolean and not isinstance(result, bool):
            raise ExpressionError(f"the condition gives {_kind(result)}, not true or false")


_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_UNEXPECTED = re.compile(
    r"(?:mismatched|extraneous|no viable alternative at) input '(.*?)'(?: exp|$)"
)
_FOREIGN = {"and": "&&", "or": "||", "not": "!", "is": "==", "eq": "==", "ne": "!=", "=": "=="}


def _syntax_error(source: str, report: str) -> ExpressionError:
    """Put the compiler's first complaint into words, at its place."""
    complaints = _ERROR.findall(report)
    if not complaints:
        return ExpressionError("the condition cannot be read")
    spoken = [one for one in complaints if one[2].startswith("Syntax error")]
    line, column, text = (spoken or complaints)[0]
    lines = source.split("\n")
    offset = sum(len(one) + 1 for one in lines[: int(line) - 1]) + int(column) - 1
    offset = min(offset, len(source))
    text = text.removeprefix("Syntax error: ")
    if text.startswith("token recognition error"):
        found = source[offset : offset + 1]
        what = "this text has no end" if found in ("'", '"') else f"unexpected {found!r}"
        return ExpressionError(what, offset, _FOREIGN.get(found))
    if match := _UNEXPECTED.search(text):
        found = match.group(1)
        if found == "<EOF>":
            return ExpressionError("the condition ends too early", offset)
        word = re.search(r"([A-Za-z]+)\s*$", source[:offset])
        foreign = _FOREIGN.get(found) or (_FOREIGN.get(word.group(1)) if word else None)
        return ExpressionError(f"unexpected {found!r}", offset, foreign)
    return ExpressionError(text, offset)


def _kind(value: Any) -> str:
    """Name the type of a result, without showing it: it may hold what a customer wrote."""
    if value is None:
        return "null"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "a value of another type")


def _explain(failure: Exception) -> str:
    """Say in one line why an evaluation failed, in the words of conditions."""
    text = " ".join(str(failure).split())
    if isinstance(failure, KeyError):
        return f"there is no field {text}"
    if isinstance(failure, TypeError):
        return "an operation gets a value of a wrong type, or null"
    if match := re.match(r"Undefined variable or function: '(.*?)'", text):
        return f"{match.group(1)}() gets a value of a wrong type, or null"
    return text.split(". ")[0][:200]
