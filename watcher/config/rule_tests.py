"""Tests of rules, written in YAML: what happens when, and what is expected to be sent.

Rules: form and places; what the rules make of it is for others to run. All mistakes of a file are
reported at once, with their places. What a conversation may show is checked against its own shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PlainValidator, ValidationError, ValidationInfo

from watcher.catalogue.events import EVENT_TYPES
from watcher.catalogue.fields import REFERENCES
from watcher.config.texts import Texts
from watcher.config.tree import Entries, Items, Node, Place
from watcher.config.validate import Validation, validate
from watcher.config.yaml import LIMIT, parse
from watcher.errors import ConfigError, Problem
from watcher.model import Conversation, from_plain, to_plain
from watcher.secrets import Redactor
from watcher.settings.base import Context, Mistake, Settings, context_of, mistakes, wrong
from watcher.settings.calendar import parse_moment
from watcher.settings.calendar_values import Zone
from watcher.settings.durations import parse_duration
from watcher.settings.values import OneOrMore
from watcher.suggest import did_you_mean, listing
from watcher.vocabulary import EVENT_SHAPE

__all__ = [
    "Case",
    "Expected",
    "Given",
    "RuleTest",
    "RuleTests",
    "Step",
    "Suite",
    "read_rule_tests",
    "whole",
]

SETTLING = timedelta(days=1)
"""How long a test goes on after the last time that it names, if it has no `until`."""

START = "2026-01-05 09:00"
"""A Monday, for tests that do not say when they begin."""

S = TypeVar("S", bound=Settings)


class _Clock(Context):
    """The clock of a test: the zone of its wall clock, and when it starts."""

    def __init__(self, zone: ZoneInfo | None, start: datetime | None = None) -> None:
        self.timezone = zone
        self.start = start


def _moment(value: Any, info: ValidationInfo) -> datetime:
    clock = context_of(info)
    zone = info.data.get("timezone") or clock.timezone or ZoneInfo("UTC")
    start = info.data.get("start") or (clock.start if isinstance(clock, _Clock) else None)
    text = value if isinstance(value, str) else ""
    try:
        if start is not None:
            return start + parse_duration(text)
    except ValueError:
        pass
    try:
        return parse_moment(text, zone)
    except ValueError:
        remedy = "write 15m (since the start), or 2026-01-05 18:30"
        raise wrong("is not a time", remedy) from None


def _shown(conversation: dict[str, Any]) -> dict[str, Any]:
    if found := tuple(_strange(conversation)):
        raise mistakes(found)
    return conversation


def _strange(conversation: Mapping[str, Any]) -> Iterator[Mistake]:
    """Yield the keys that no conversation has, and values of another kind."""
    fields = (EVENT_SHAPE.members or {})["conversation"].members or {}
    for name, value in conversation.items():
        if name not in fields:
            yield _unknown((name,), f"a conversation has no `{name}`", tuple(fields))
            continue
        members = fields[name].members
        if members is not None and isinstance(value, Mapping):
            for inner in value:
                if inner not in members:
                    yield _unknown((name, inner), f"`{name}` has no `{inner}`", tuple(members))
        try:
            from_plain(to_plain(Conversation("1")) | {name: whole(name, value)})
        except ValidationError as error:
            reason = error.errors(include_url=False)[0]["msg"].lower()
            yield Mistake(f"is not right: {reason}", loc=(name,))


def _unknown(loc: tuple[str, ...], message: str, known: tuple[str, ...]) -> Mistake:
    remedy = f"{did_you_mean(loc[-1], known)}it has {listing(known)}"
    return Mistake(message, remedy, (*loc, "[key]"))


Moment = Annotated[datetime, PlainValidator(_moment)]
"""A time since the start of the test, or by its wall clock."""


class Suite(Settings):
    """The whole file."""

    rules: OneOrMore = Field(default=())
    timezone: Zone | None = None
    tests: list[dict[str, Any]] = Field(min_length=1)


class Case(Settings):
    """One test, as it stands in the file."""

    name: str = Field(min_length=1)
    timezone: Zone | None = None
    start: Moment = Field(default=START, validate_default=True)
    until: Moment | None = None
    receivers: OneOrMore = Field(default=())
    given: list[dict[str, Any]] = Field(default_factory=list)
    events: list[dict[str, Any]] = Field(min_length=1)
    expect: list[dict[str, Any]]


class Given(Settings):
    """A conversation that was there before the test begins."""

    place: Place = Field(init=False)
    source: str = ""
    """Its name; empty for the first one of the configuration."""

    conversation: Annotated[dict[str, Any], AfterValidator(_shown)]


class Step(Settings):
    """Something that happens."""

    place: Place = Field(init=False)
    at: Moment
    type: Literal[EVENT_TYPES] | None = None  # type: ignore[valid-type]  # the words of the contract
    """The one event that this is, where others that would follow do not count."""

    source: str = ""
    """Its name; empty for the first one of the configuration."""

    conversation: Annotated[dict[str, Any], AfterValidator(_shown)] = Field(default_factory=dict)
    """What a provider shows of it, perhaps a part."""

    reason: str = ""
    ack: bool = False
    """Whether a person acknowledges the conversation."""

    @property
    def of_watcher(self) -> bool:
        """Whether it is about a source, a receiver or the watcher itself."""
        return self.type is not None and not self.type.startswith("conversation.")


class Expected(Settings):
    """A message that is to be sent; what is None or empty does not matter."""

    place: Place = Field(init=False)
    at: Moment
    receiver: str = Field(min_length=1)
    rule: str | None = None
    type: Literal[(*EVENT_TYPES, "watcher.digest")] | None = None  # type: ignore[valid-type]  # as above
    conversation: str | None = None
    resolved: bool | None = None
    """Whether it tells that a state is over."""

    contains: OneOrMore = Field(default=())
    lacks: OneOrMore = Field(default=())


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test."""

    name: str
    place: Place
    start: datetime

    until: datetime
    """When it is over."""

    given: tuple[Given, ...]
    """What is known when it begins."""

    steps: tuple[Step, ...]
    expected: tuple[Expected, ...]

    receivers: tuple[str, ...] = ()
    """Where some are named, only what they get counts."""


@dataclass(frozen=True, slots=True)
class RuleTests:
    """One file."""

    file: Path

    rules: tuple[Path, ...]
    """The configuration's paths; empty where the file names none and stands next to none."""

    tests: tuple[RuleTest, ...]


def read_rule_tests(path: Path) -> RuleTests:
    """Read one file; raise ConfigError with everything that is wrong in it."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(LIMIT + 1)
    except OSError as error:
        raise ConfigError(
            (Problem(file, 0, 0, f"cannot be read: {error.strerror}", "check the path"),)
        ) from None
    root, problems = parse(content, file)
    texts = Texts(environ={}, folders={file: path.parent}, redactor=Redactor(), secrets=False)
    validation = Validation(texts, list(problems))
    tests: dict[str, RuleTest] = {}
    suite = None
    if isinstance(root, Entries):
        suite = _checked(Suite, root, "the file of tests", validation)
        timed = replace(validation, context=_Clock(suite.timezone if suite else None))
        for node in _items(root, "tests"):
            test = _test(node, timed)
            if test is not None and tests.setdefault(test.name, test) is not test:
                validation.problems.append(
                    test.place.problem(f"the test `{test.name}` is here twice")
                )
    elif not problems:
        validation.problems.append(
            Problem(file, 1, 1, "the file holds no tests", "begin with `tests:`")
        )
    if validation.problems:
        raise ConfigError(
            tuple(sorted(validation.problems, key=lambda one: (one.line, one.column)))
        )
    named = tuple(path.parent / one for one in suite.rules) if suite else ()
    return RuleTests(path, named or _neighbour(path), tuple(tests.values()))


def _neighbour(path: Path) -> tuple[Path, ...]:
    """Return the configuration next to a file of tests: `x.yaml` for `x.test.yaml`."""
    for ending in (".yaml", ".yml"):
        file = path.with_name(path.name.partition(".test.")[0] + ending)
        if file.is_file():
            return (file,)
    return ()


def _checked(
    model: type[S],
    node: Node,
    what: str,
    validation: Validation,
    extra: Mapping[str, Any] | None = None,
) -> S | None:
    if not isinstance(node, Entries):
        validation.problems.append(node.place.problem(f"{what} must be a mapping", "- key: value"))
        return None
    # Nothing in a test is a reference to a secret: `${` stands for itself.
    return validate(
        model, node, validation, parent=node.place, what=what, resolve=False, extra=extra
    )


def _test(node: Node, validation: Validation) -> RuleTest | None:
    case = _checked(Case, node, "the test", validation)
    if case is None or not isinstance(node, Entries):
        return None
    clock = _Clock(case.timezone or validation.context.timezone, case.start)
    timed = replace(validation, context=clock)
    given = tuple(_given(node, timed))
    steps = tuple(_steps(node, case.start, timed))
    expected = tuple(_expected(node, case.receivers, timed))
    times = [case.start, *(one.at for one in steps), *(one.at for one in expected)]
    return RuleTest(
        name=case.name,
        place=node.place,
        start=case.start,
        until=case.until or max(times) + SETTLING,
        given=given,
        steps=steps,
        expected=expected,
        receivers=case.receivers,
    )


def _given(test: Entries, validation: Validation) -> Iterator[Given]:
    for node in _items(test, "given"):
        one = _checked(Given, node, "what is given", validation, {"place": node.place})
        if one is not None:
            yield one


def _steps(test: Entries, start: datetime, validation: Validation) -> Iterator[Step]:
    last = start
    for node in _items(test, "events"):
        step = _checked(Step, node, "the event", validation, {"place": node.place})
        if step is None:
            continue
        if step.at < last:
            message = "the event is earlier than the one before it"
            validation.problems.append(node.place.problem(message, "sort by `at`"))
        last = max(step.at, last)
        # A conversation shows what happened to it; of the watcher only the type says so.
        if step.of_watcher == bool(step.conversation) or (step.ack and step.type):
            validation.problems.append(
                node.place.problem(
                    "the event needs either a conversation or a type that is not about one",
                    "write `conversation: {…}`, or `type: source.failing` and the like",
                )
            )
        yield step


def _expected(
    test: Entries, receivers: tuple[str, ...], validation: Validation
) -> Iterator[Expected]:
    for node in _items(test, "expect"):
        one = _checked(Expected, node, "the expected message", validation, {"place": node.place})
        if one is None:
            continue
        if receivers and one.receiver not in receivers:
            validation.problems.append(
                one.place.problem(
                    f"`receivers` of the test leaves `{one.receiver}` out",
                    "add it there, or expect nothing of it",
                )
            )
        yield one


def whole(name: str, value: Any) -> Any:
    """Return the long form of a conversation's field: an assignee or a team for its id, a message or
    a disposition for its text, a text for an id that was written as a number.
    """
    if name in REFERENCES and isinstance(value, (str, int)):
        return {"id": str(value), "name": str(value)}
    if name == "last_message" and isinstance(value, str):
        return {"text": value, "direction": "inbound"}
    if name == "disposition" and isinstance(value, str):
        return {"label": value}
    if name == "id" and isinstance(value, int):
        return str(value)
    return value


def _items(node: Entries, name: str) -> tuple[Node, ...]:
    entry = node.get(name)
    return entry.value.items if entry is not None and isinstance(entry.value, Items) else ()
