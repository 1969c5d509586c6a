"""Compiling: an expression's text becomes a condition, or every mistake in it is told.

Law: pure. Checked are the syntax, every name, field and function wherever it stands, the types of
operands, and what a trial run over sample events brings up.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Collection, Iterator, Mapping

from watcher.conditions._cel import cel
from watcher.conditions.check import DEEPEST, Finding, Reading, read
from watcher.conditions.evaluate import (
    FAILURES,
    Condition,
    Expression,
    ExpressionError,
    context,
    explain_failure,
    name_kind,
)
from watcher.conditions.names import (
    CONDITIONS,
    Joined,
    Leaf,
    Named,
    Negated,
    Part,
    expand,
    named_in,
    split,
)
from watcher.conditions.syntax import Stop, Token
from watcher.conditions.types import WORDS
from watcher.vocabulary import EVENT_SHAPE, SAMPLES

__all__ = ["compile_condition", "compile_conditions", "compile_expression"]

LONGEST = 4096
"""Characters of an expression, with what it names. The library's parser recurses: at eight times
this length a chain such as `1 + 1 + …` was seen to overflow a thread's stack of 8 MB, which ends
the process.
"""

SILENCE_NAMES = ("rule", "receiver", "severity")
"""What the `match` of a silence sees besides the event."""

_ROOTS = frozenset((*(EVENT_SHAPE.members or {}), *SILENCE_NAMES))
_MATCHES = cel.compile("''.matches(pattern)")
_SAME_CONVERSATION = '[source, conversation == null ? "" : conversation.id]'
_SAMPLES = tuple(context(sample, **dict.fromkeys(SILENCE_NAMES, "")) for sample in SAMPLES)


def compile_condition(
    source: str, named: Mapping[str, Condition] | None = None, *, silence: bool = False
) -> Condition:
    """Compile an expression; raises ExpressionError with every mistake that it finds.

    `named` are the conditions that it may name as `conditions.NAME`. With `silence` it also sees
    `rule`, `receiver` and `severity`.
    """
    known = named or {}
    whole, reading = _compile(source, known, SILENCE_NAMES if silence else ())
    if reading.shape.kind not in ("bool", "any"):
        message = f"the condition gives {WORDS[reading.shape.kind]}, not true or false"
        raise ExpressionError(message)
    _try(cel.compile(whole), boolean=True)
    part = split(source, _ROOTS)
    used = {token.text: known[token.text] for token in named_in(source)}
    roots = reading.roots - {CONDITIONS}
    return Condition(
        source,
        roots.union(*(one.roots for one in used.values())),
        whole,
        part,
        {text: cel.compile(expand(text, _texts(used))) for text in _leaves(part)},
        used,
    )


def compile_conditions(
    sources: Mapping[str, str],
) -> tuple[dict[str, Condition], dict[str, ExpressionError]]:
    """Compile conditions that may name each other; gives them, and what is wrong, by name.

    One that cannot be compiled is among the conditions all the same, as one that is always true,
    so that those that name it can be checked.
    """
    done: dict[str, Condition] = {}
    wrong: dict[str, ExpressionError] = {}
    stand_in = compile_condition("true")
    known = ChainMap(done, dict.fromkeys(sources, stand_in))

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in done or name not in sources:
            return
        if len(path) >= DEEPEST:
            wrong[name] = ExpressionError(f"conditions name each other more than {DEEPEST} deep")
            done[name] = stand_in
            return
        try:
            tokens = named_in(sources[name])
        except Stop:
            tokens = ()
        for token in tokens:
            if token.text in (*path, name):
                circle = (*path, name)[(*path, name).index(token.text) :]
                words = " → ".join((*circle, token.text))
                wrong.setdefault(
                    name,
                    ExpressionError(
                        f"conditions name each other in a circle: {words}", token.offset
                    ),
                )
                done[name] = stand_in
                return
            visit(token.text, (*path, name))
        if name in done:
            return
        try:
            done[name] = compile_condition(sources[name], known)
        except ExpressionError as error:
            wrong[name] = error
            done[name] = stand_in

    for name in sources:
        visit(name, ())
    return done, wrong


def compile_expression(source: str, named: Mapping[str, Condition] | None = None) -> Expression:
    """Compile an expression that groups events; raises ExpressionError as for conditions.

    The word `conversation` stands for the conversation's id: the whole changes with every event.
    """
    meant = _SAME_CONVERSATION if source.strip() == "conversation" else source
    known = named or {}
    whole, _ = _compile(meant, known, ())
    program = cel.compile(whole)
    _try(program, boolean=False)
    used = frozenset(token.text for token in named_in(meant))
    return Expression(source, used.union(*(known[name].names for name in used)), program)


def _compile(
    source: str, named: Mapping[str, Condition], more: tuple[str, ...]
) -> tuple[str, Reading]:
    """Check an expression; gives it with the named conditions' own texts put in."""
    reading = _read(source, named, more)
    whole = expand(source, _texts({token.text: named[token.text] for token in named_in(source)}))
    if whole != source:
        try:
            _read(whole, (), more)  # too long or too deep only together
        except ExpressionError as error:
            message = f"together with the conditions that it names: {error.message}"
            raise ExpressionError(message) from None
    return whole, reading


def _texts(named: Mapping[str, Condition]) -> dict[str, str]:
    return {name: condition.whole for name, condition in named.items()}


def _leaves(part: Part) -> Iterator[str]:
    match part:
        case Leaf(text):
            yield text
        case Negated(inner):
            yield from _leaves(inner)
        case Joined(_, parts):
            for one in parts:
                yield from _leaves(one)
        case Named():
            pass


def _read(source: str, named: Collection[str], more: tuple[str, ...]) -> Reading:
    if not source.strip():
        raise ExpressionError("the expression is empty")
    if len(source) > LONGEST:
        raise ExpressionError(f"the expression is longer than {LONGEST} characters", LONGEST)
    try:
        cel.compile(source)
    except ValueError as failure:  # UnicodeEncodeError is one, too
        raise _syntax_error(source, str(failure)) from None
    try:
        reading = read(source, more, named)
        tokens = named_in(source)
    except Stop as stop:
        raise ExpressionError(stop.message, stop.offset) from None
    findings = (
        *reading.findings,
        *_bad_patterns(reading.patterns),
        *_misused(tokens, reading.hiding),
    )
    if findings:
        raise _collect(findings)
    return reading


def _misused(names: tuple[Token, ...], hiding: tuple[Token, ...]) -> Iterator[Finding]:
    """Object to `conditions` without a name, and to a variable that means something else within
    the condition that is named.
    """
    for token in names:
        if token.text == CONDITIONS:
            yield Finding("`conditions` is used with a name: conditions.NAME", token.offset)
    for variable in hiding if names else ():
        message = f"beside `conditions`, a variable cannot be called {variable.text!r}"
        yield Finding(message, variable.offset)


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
    for number, sample in enumerate(_SAMPLES):
        try:
            result = program.execute(sample.cel)
        except LookupError:
            continue  # a key of `attributes`, a label by number: known only at run time
        except FAILURES as failure:
            if number == 0:
                raise ExpressionError(
                    f"tried on a sample event: {explain_failure(failure)}"
                ) from None
            continue
        if boolean and not isinstance(result, bool):
            raise ExpressionError(f"the condition gives {name_kind(result)}, not true or false")


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
