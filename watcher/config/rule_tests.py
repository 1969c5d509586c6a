"""Tests of rules, written in YAML: what happens when, and what is expected to be sent.

Law: form and places; what the rules make of it is for others to run. Every mistake of a file is
told at once, with its place. What a conversation may show is checked against its own shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from watcher.config.rule_test_schema import CaseForm, ExpectForm, FileForm, StepForm
from watcher.config.texts import Texts
from watcher.config.tree import Entries, Items, Node, Place, Scalar
from watcher.config.validate import Work, validate
from watcher.config.yaml import LIMIT, parse
from watcher.errors import ConfigError, Problem
from watcher.model import Conversation, from_plain, to_plain
from watcher.secrets import Redactor
from watcher.settings.calendar import parse_moment
from watcher.settings.values import parse_duration
from watcher.suggest import did_you_mean, listing
from watcher.vocabulary import EVENT_SHAPE

__all__ = ["Expected", "RuleTest", "RuleTests", "Step", "read_rule_tests"]

SETTLING = timedelta(days=1)
"""How long a test goes on behind what it names, where it does not say."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens `at` a time. `conversation` is what a provider shows of it, perhaps a
    part; with `type`, the one event that this is. `acknowledged`: a person says that it is seen to.
    """

    at: datetime
    place: Place
    source: str
    type: str | None
    conversation: Mapping[str, Any]
    reason: str
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Expected:
    """A message that is to be sent; what is None or empty is not looked at."""

    at: datetime
    place: Place
    receiver: str
    rule: str | None
    type: str | None
    conversation: str | None
    contains: tuple[str, ...]
    lacks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test: it begins at `start`, and is over at `until`. Where `receivers` are named, only what
    they get counts.
    """

    name: str
    place: Place
    start: datetime
    until: datetime
    steps: tuple[Step, ...]
    expected: tuple[Expected, ...]
    receivers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleTests:
    """One file. `rules` are the configuration's paths; empty where the file names none and has no
    configuration beside it.
    """

    file: Path
    rules: tuple[Path, ...]
    tests: tuple[RuleTest, ...]


def read_rule_tests(path: Path) -> RuleTests:
    """Read one file; raises ConfigError with everything that is wrong in it."""
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
    work = Work(texts, list(problems))
    tests: list[RuleTest] = []
    form = None
    if isinstance(root, Entries):
        form = _validate(FileForm, root, work, root.place, "the file of tests")
        entry = root.get("tests")
        nodes = entry.value.items if entry and isinstance(entry.value, Items) else ()
        names: set[str] = set()
        for node in nodes:
            test = _Reader(work, form).test(node)
            if test is not None and test.name in names:
                work.problems.append(test.place.problem(f"the test `{test.name}` is here twice"))
            if test is not None:
                names.add(test.name)
                tests.append(test)
    elif not problems:
        work.problems.append(Problem(file, 1, 1, "the file holds no tests", "begin with `tests:`"))
    if work.problems:
        raise ConfigError(tuple(sorted(work.problems, key=lambda one: (one.line, one.column))))
    named = tuple(path.parent / one for one in form.rules) if form else ()
    return RuleTests(path, named or _beside(path), tuple(tests))


def _beside(path: Path) -> tuple[Path, ...]:
    """Give the configuration that a file of tests stands beside: `x.yaml` for `x.test.yaml`."""
    for ending in (".yaml", ".yml"):
        file = path.with_name(path.name.partition(".test.")[0] + ending)
        if file.is_file():
            return (file,)
    return ()


def _validate(form: type[Any], table: Entries, work: Work, parent: Place, what: str) -> Any:
    # Nothing in a test is a reference to a secret: `${` stands for itself.
    literal = [entry.name for entry in table]
    return validate(form, table, work, parent=parent, what=what, literal=literal)


@dataclass(slots=True)
class _Reader:
    """Reads one test; its times count from the start, by the wall clock of its zone."""

    work: Work
    file: FileForm | None
    start: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    zone: Any = UTC
    last: datetime = field(default=datetime(1970, 1, 1, tzinfo=UTC))

    def test(self, node: Node) -> RuleTest | None:
        if not isinstance(node, Entries):
            self.work.problems.append(node.place.problem("a test must be a mapping", "- name: …"))
            return None
        form = _validate(CaseForm, node, self.work, node.place, "the test")
        if form is None:
            return None
        self.zone = form.timezone or (self.file.timezone if self.file else None) or UTC
        moment = self._moment(form.start, node, "start")
        if moment is None:
            return None
        self.start = self.last = moment
        steps = [self._step(one) for one in _items(node, "events")]
        self.last = self.start
        expected = [self._expected(one) for one in _items(node, "expect")]
        ends = [one.at for one in (*steps, *expected) if one is not None]
        until = self._moment(form.until, node, "until") if form.until else None
        for one in expected:
            if one is not None and form.receivers and one.receiver not in form.receivers:
                self.work.problems.append(
                    one.place.problem(
                        f"`receivers` of the test leaves `{one.receiver}` out",
                        "add it there, or expect nothing of it",
                    )
                )
        return RuleTest(
            name=form.name,
            place=node.place,
            start=self.start,
            until=until or max(ends, default=self.start) + SETTLING,
            steps=tuple(one for one in steps if one is not None),
            expected=tuple(one for one in expected if one is not None),
            receivers=tuple(form.receivers),
        )

    def _step(self, node: Node) -> Step | None:
        if not isinstance(node, Entries):
            self.work.problems.append(node.place.problem("an event must be a mapping", "- at: …"))
            return None
        form = _validate(StepForm, node, self.work, node.place, "the event")
        at = self._moment(form.at, node, "at") if form else None
        if form is None or at is None:
            return None
        if at < self.last:
            self.work.problems.append(
                node.place.problem("the event is earlier than the one before it", "sort by `at`")
            )
        self.last = max(at, self.last)
        entry = node.get("conversation")
        if entry is not None and isinstance(entry.value, Entries):
            self._check_shape(entry.value)
        of_watcher = form.type is not None and not form.type.startswith("conversation.")
        if of_watcher == bool(form.conversation) or (form.ack and form.type):
            self.work.problems.append(
                node.place.problem(
                    "the event tells neither a conversation nor what happened to the watcher, or both",
                    "write `conversation: {…}`, or `type: source.failing` and the like",
                )
            )
        return Step(
            at, node.place, form.source, form.type, form.conversation, form.reason, form.ack
        )

    def _expected(self, node: Node) -> Expected | None:
        if not isinstance(node, Entries):
            self.work.problems.append(
                node.place.problem("what is expected must be a mapping", "- at: …")
            )
            return None
        form = _validate(ExpectForm, node, self.work, node.place, "the expected message")
        at = self._moment(form.at, node, "at") if form else None
        if form is None or at is None:
            return None
        return Expected(
            at, node.place, form.receiver, form.rule, form.type, form.conversation,
            tuple(form.contains), tuple(form.lacks),
        )  # fmt: skip

    def _moment(self, text: str, node: Entries, key: str) -> datetime | None:
        """Read a time since the start, or by the wall clock."""
        try:
            return self.start + parse_duration(text)
        except ValueError:
            pass
        try:
            return parse_moment(text, self.zone)
        except ValueError:
            entry = node.get(key)
            place = entry.value.place if entry is not None else node.place
            self.work.problems.append(
                place.problem(
                    f"`{key}` is no time", "write 15m (since the start), or 2026-01-05 18:30"
                )
            )
            return None

    def _check_shape(self, table: Entries) -> None:
        """Object to what no conversation has, and to values of another kind."""
        known = (EVENT_SHAPE.members or {})["conversation"].members or {}
        for entry in table:
            if entry.name not in known:
                self._unknown(entry.key, f"a conversation has no `{entry.name}`", tuple(known))
                continue
            members = known[entry.name].members
            if members is not None and isinstance(entry.value, Entries):
                for inner in entry.value:
                    if inner.name not in members:
                        what = f"`{entry.name}` has no `{inner.name}`"
                        self._unknown(inner.key, what, tuple(members))
            plain = self.work.texts.plain(entry.value, resolve=False)
            try:
                from_plain(to_plain(Conversation("1")) | {entry.name: whole(entry.name, plain)})
            except ValidationError as error:
                said = error.errors(include_url=False)[0]["msg"].lower()
                self.work.problems.append(
                    entry.value.place.problem(f"`{entry.name}` is not right: {said}")
                )

    def _unknown(self, key: Scalar, message: str, known: tuple[str, ...]) -> None:
        remedy = f"{did_you_mean(key.raw, known)}it has {listing(known)}"
        self.work.problems.append(key.place.problem(message, remedy))


def whole(name: str, value: Any) -> Any:
    """Make a short form whole: an assignee or a team by its id, a message or a disposition by its
    text, an id that was written as a number.
    """
    if name in ("assignee", "team") and isinstance(value, (str, int)):
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
