"""What the parts of a configuration say about each other: shared names, rules, silences.

Rules: knows which names exist, which are used and which rule is never reached. What a rule or a
silence means is for `watcher.rules`; a named part that is wrong is a problem once, at its own
place, and what names it is checked all the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar
from zoneinfo import ZoneInfo

from watcher.conditions import Condition, ExpressionError, compile_conditions
from watcher.config.files import Document
from watcher.config.tree import Entries, Entry, Items, Node, Scalar
from watcher.config.validate import Validation, validate
from watcher.coverage import Shown
from watcher.notify.receivers import Receiver
from watcher.rules import Rule, Silence, Template
from watcher.rules.where import Names, check_names
from watcher.settings.base import Context, Mistake, wrong
from watcher.settings.values import CONDITION_NAME_PATTERN, NAME_PATTERN
from watcher.suggest import did_you_mean, listing, short
from watcher.templates import TemplateError

__all__ = [
    "References",
    "build_rules",
    "build_silences",
    "check_coverage",
    "check_uses",
    "warn_of_budgets",
    "warn_of_doubles",
    "warn_of_links",
]

S = TypeVar("S", Rule, Silence)

_RESERVED = frozenset(
    {
        "as", "break", "const", "continue", "else", "false", "for", "function", "if", "import",
        "in", "let", "loop", "namespace", "null", "package", "return", "true", "var", "void",
        "while",
    }
)  # fmt: skip
"""Words that CEL keeps for itself."""


class References(Context):
    """What validators ask about the other parts of this configuration.

    It remembers which templates were named, and by what kind of rule.
    """

    def __init__(
        self, document: Document, timezone: ZoneInfo | None, validation: Validation
    ) -> None:
        self.timezone = timezone
        self.names = _names(document)
        self.conditions = _conditions(document, self.names, timezone, validation)
        self.used_templates: set[tuple[str, bool]] = set()
        self._templates = _templates(document, validation)

    def check_template(self, source: str, *, many: bool = False) -> Sequence[Mistake]:
        """Return what is wrong with a Jinja2 template; with `many` it is a digest's."""
        from watcher.templates.compiled import compile_template  # where there is a template

        try:
            compile_template(source, many=many)
        except TemplateError as error:
            return [
                Mistake(
                    one.message,
                    f"did you mean `{one.suggestion}`?" if one.suggestion else "",
                    offset=_offset(source, one.line, one.column),
                )
                for one in (error, *error.others)
            ]
        return ()

    def template(self, name: str, *, many: bool = False) -> Template | None:
        """Return the template of this name, and have it checked as a digest's if `many`.

        Raise the error of an unknown name.
        """
        template = self._templates.get(name)
        if template is not None:
            self.used_templates.add((name, many))
            return template
        if self.names is None:
            return None
        known = self.names["template"]
        if re.match(NAME_PATTERN, name):
            remedy = f"{did_you_mean(name, known)}configured: {listing(known) or 'none'}"
        else:
            remedy = "write `message: {body: …}`, or the name of one below `templates:`"
        raise wrong(f"there is no template `{short(name)}`", remedy, offset=0)


def _offset(text: str, line: int, column: int | None) -> int:
    """Return the offset of a place counted from 1; without a column, of the line's beginning."""
    lines = text.split("\n")
    index = min(max(line, 1), len(lines)) - 1
    indent = len(lines[index]) - len(lines[index].lstrip())
    return sum(len(one) + 1 for one in lines[:index]) + (indent if column is None else column - 1)


def _names(document: Document) -> Names | None:
    # Where a part of the files is missing, any name may stand there.
    if not document.complete:
        return None
    rules = (rule.get("name") for rule in document.rules if isinstance(rule, Entries))
    tables = (one.value for one in document.sources.values() if isinstance(one.value, Entries))
    providers = (table.get("provider") for table in tables)
    return {
        "source": tuple(document.sources),
        "provider": tuple(
            {one.value.raw: 0 for one in providers if one and isinstance(one.value, Scalar)}
        ),
        "receiver": tuple(document.receivers),
        "template": tuple(document.templates),
        "rule": tuple(one.value.raw for one in rules if one and isinstance(one.value, Scalar)),
    }


def _conditions(
    document: Document,
    names: Names | None,
    timezone: ZoneInfo | None,
    validation: Validation,
) -> Mapping[str, Condition]:
    texts: dict[str, Scalar] = {}
    for entry in document.conditions.values():
        name, value = entry.name, entry.value
        if not re.match(CONDITION_NAME_PATTERN, name) or name in _RESERVED:
            message = f"`{short(name)}` cannot be the name of a condition"
            remedy = "use small letters, digits and _, beginning with a letter, and no word of CEL"
            validation.problems.append(entry.key.place.problem(message, remedy))
        elif not isinstance(value, Scalar) or not isinstance(value.value, str):
            raw = value.raw if isinstance(value, Scalar) else ""
            remedy = f'put it in quotes: "{short(raw)}"' if raw else "write a CEL condition"
            message = f"the condition `{short(name)}` must be text, found {value.kind}"
            validation.problems.append(value.place.problem(message, remedy))
        else:
            texts[name] = value
    done, wrong_ones = compile_conditions(
        {name: node.raw for name, node in texts.items()}, zone=timezone
    )
    for name, error in wrong_ones.items():
        _report_expression(error, name, texts[name], validation)
    for name, node in texts.items() if names is not None else ():
        for mistake in check_names(done[name].tree, names or {}):
            place = node.at(mistake.offset or 0)
            validation.problems.append(
                place.problem(f"`{name}`: {mistake.message}", mistake.remedy)
            )
    # One that cannot be compiled is true, so that those that name it can be checked.
    missing = compile_conditions(dict.fromkeys(document.conditions.keys() - done.keys(), "true"))[0]
    return {**done, **missing}


def _report_expression(
    error: ExpressionError, name: str, node: Scalar, validation: Validation
) -> None:
    for one in (error, *error.others):
        place = node.at(one.offset) if node.raw.strip() else node.place
        meant = f"did you mean `{one.suggestion}`?" if one.suggestion else ""
        validation.problems.append(place.problem(f"`{name}`: {one.message}", meant))


def _templates(document: Document, validation: Validation) -> Mapping[str, Template]:
    """Return the templates, those with mistakes as empty ones."""
    templates = {}
    for entry in document.templates.values():
        what = f"the template `{short(entry.name)}`"
        if not re.match(NAME_PATTERN, entry.name):
            message = f"`{short(entry.name)}` cannot be the name of a template"
            remedy = "use small letters, digits, _ and -, beginning with a letter"
            validation.problems.append(entry.key.place.problem(message, remedy))
        template = None
        if isinstance(entry.value, Entries):
            template = validate(
                Template,
                entry.value,
                validation,
                parent=entry.key.place,
                what=what,
                resolve=False,
            )
        else:
            message = f"{what} must be a mapping, found {entry.value.kind}"
            remedy = "write `title: …` and `body: …` below it"
            validation.problems.append(entry.value.place.problem(message, remedy))
        templates[entry.name] = template or Template()
    return templates


def build_rules(document: Document, validation: Validation) -> tuple[Rule, ...]:
    """Check all rules; return those without mistakes, in the order of the files."""
    rules = tuple(_build(Rule, "rule", document.rules, validation))
    if document.complete:
        _warn_of_unreachable(document, rules, validation)
    return rules


def build_silences(document: Document, validation: Validation) -> tuple[Silence, ...]:
    """Check all silences; return those without mistakes."""
    return tuple(_build(Silence, "silence", document.silences, validation))


def _build(model: type[S], kind: str, nodes: Sequence[Node], validation: Validation) -> Iterator[S]:
    taken: dict[str, Scalar] = {}
    for node in nodes:
        if not isinstance(node, Entries):
            message = f"a {kind} must be a mapping, found {node.kind}"
            validation.problems.append(node.place.problem(message, "begin with `name:`"))
            continue
        name = _unique_name(node, taken, kind, validation)
        what = f"the {kind} `{short(name.raw)}`" if name else f"the {kind}"
        made = validate(model, node, validation, parent=node.place, what=what, resolve=False)
        if made is not None:
            yield made


def _unique_name(
    node: Entries, taken: dict[str, Scalar], kind: str, validation: Validation
) -> Scalar | None:
    entry = node.get("name")
    if entry is None or not isinstance(entry.value, Scalar) or not entry.value.raw:
        return None
    name = entry.value
    first = taken.setdefault(name.raw, name)
    if first is not name:
        place = first.place
        validation.problems.append(
            name.place.problem(
                f"duplicate {kind} name `{short(name.raw)}`; first used at"
                f" {place.file}:{place.line}:{place.column}",
                "give one of them another name",
            )
        )
    return name


def _warn_of_unreachable(document: Document, rules: Sequence[Rule], validation: Validation) -> None:
    """Warn of rules that are never asked: an earlier one with `stop` takes all of their events."""
    places = {
        name.value.raw: name.value.place
        for node in document.rules
        if isinstance(node, Entries)
        and (name := node.get("name")) is not None
        and isinstance(name.value, Scalar)
    }
    taken: dict[str, str] = {}
    for rule in rules:
        if rule.types and rule.types <= taken.keys():
            stops = listing(f"`{name}`" for name in dict.fromkeys(taken[one] for one in rule.types))
            validation.warnings.append(
                places[rule.name].problem(
                    f"the rule `{short(rule.name)}` can never match: `stop` of the rule {stops}"
                    " ends the evaluation before",
                    "put it first, or give the other one a `where`",
                )
            )
        # A rule with a condition, or that waits on a state, lets some of its events pass.
        if rule.stop and rule.where is None and rule.unless is None and not rule.lasting:
            for kind in rule.types:
                taken.setdefault(kind, rule.name)


def check_uses(
    document: Document,
    references: References,
    rules: Sequence[Rule],
    silences: Sequence[Silence],
    validation: Validation,
) -> None:
    """Check each template as what it is used for, and warn of names that nothing uses."""
    named = {name for name, _ in references.used_templates}
    # An unused template that speaks of `events` is meant for a digest.
    unused = {
        (name, "events" in _sources(entry))
        for name, entry in document.templates.items()
        if name not in named
    }
    for name, many in references.used_templates | unused:
        entry = document.templates[name]
        if isinstance(entry.value, Entries):
            _check_template(entry.value, references, validation, many=many)
    if not document.complete:
        return
    for name, _ in unused:
        validation.warnings.append(
            document.templates[name].key.place.problem(
                f"no rule names the template `{short(name)}`", "name it in a rule, or remove it"
            )
        )
    used = {name for one in rules for name in one.condition_names}
    used |= {name for one in silences for name in one.match.names}
    for name, entry in document.conditions.items():
        if name not in used:
            validation.warnings.append(
                entry.key.place.problem(
                    f"nothing names the condition `{short(name)}`",
                    f"write conditions.{short(name)} in a `where`, or remove it",
                )
            )
    notified = {name for rule in rules for name in rule.receivers}
    for name, entry in document.receivers.items():
        if name not in notified and document.rules:
            validation.warnings.append(
                entry.key.place.problem(
                    f"no rule notifies the receiver `{name}`", "name it in a rule, or remove it"
                )
            )


def check_coverage(
    document: Document,
    references: References,
    rules: Sequence[Rule],
    shown: Shown,
    validation: Validation,
) -> None:
    """Warn of what rules and named conditions ask for and no configured source can show."""
    tables = _tables(document)
    for rule in rules:
        table = tables[rule.name]
        entry = table.get("when")
        of_rule = shown.narrowed(rule.where.tree if rule.where is not None else None)
        for number, mistake in of_rule.unseen_types(rule.when):
            node = entry.value if entry is not None else table
            if isinstance(node, Items):
                node = node.items[number]
            validation.warnings.append(
                node.place.problem(f"`when`: {mistake.message}", mistake.remedy)
            )
        for key, condition in (("where", rule.where), ("unless", rule.unless)):
            text = table.get(key)
            if condition is not None and text is not None and isinstance(text.value, Scalar):
                _warn_of_unseen(key, text.value, condition, of_rule, validation)
        written = table.get("message")
        if written is not None and isinstance(written.value, Entries):
            many = rule.digest is not None
            for words in _written(written.value):
                _warn_of_unseen_words(words, of_rule, validation, many=many)
    for name, many in references.used_templates:
        template = document.templates[name].value
        if isinstance(template, Entries):
            _warn_of_unseen_words(template, shown, validation, many=many)
    for entry in document.conditions.values():
        known = references.conditions.get(entry.name)
        if known is not None and isinstance(entry.value, Scalar):
            _warn_of_unseen(entry.name, entry.value, known, shown, validation)


def warn_of_budgets(
    document: Document,
    references: References,
    rules: Sequence[Rule],
    validation: Validation,
) -> None:
    """Warn of templates that exceed their budget for the largest events that can come in."""
    digests = {rule.name: rule.digest is not None for rule in rules}
    written = [
        (words, digests[name])
        for name, table in _tables(document).items()
        if name in digests
        and (message := table.get("message")) is not None
        and isinstance(message.value, Entries)
        for words in _written(message.value)
    ]
    written += [
        (table, many)
        for name, many in references.used_templates
        if isinstance(table := document.templates[name].value, Entries)
    ]
    for words, many in written:
        for key in ("title", "body"):
            entry = words.get(key)
            if entry is None or not isinstance(entry.value, Scalar):
                continue
            from watcher.templates.compiled import over_budget

            if problem := over_budget(entry.value.raw, many=many):
                validation.warnings.append(
                    entry.value.place.problem(
                        f"`{key}`: with the longest texts that can come in, the template fails:"
                        f" {problem}; the default message is sent then",
                        "repeat, compare or replace less; `truncate` a text first",
                    )
                )


def warn_of_doubles(
    document: Document,
    rules: Sequence[Rule],
    receivers: Sequence[Receiver],
    validation: Validation,
) -> None:
    """Warn where people get two messages about the same thing."""
    people = {one.name for one in receivers if one.text}
    tables = _tables(document)
    for rule in rules:
        if (twice := rule.tells_twice) is None or people.isdisjoint(rule.notify):
            continue
        when, first, second = twice
        entry = tables[rule.name].get("when")
        node = entry.value if entry is not None else tables[rule.name]
        validation.warnings.append(
            node.place.problem(
                f"`when`: people get two messages {when}: of `{first}` and of `{second}`",
                "name one of them, or collect them with `digest: 1m`",
            )
        )


def warn_of_links(document: Document, rules: Sequence[Rule], validation: Validation) -> None:
    """Warn where a message asks for links although there are none."""
    tables = _tables(document)
    for rule in rules:
        every = (rule.message.words, *(one.words for one in rule.message.per_receiver.values()))
        if any(
            _LINKS.search(text) for words in every for text in (words.title, words.body) if text
        ):
            entry = tables[rule.name].get("message")
            node = entry.value if entry is not None else tables[rule.name]
            validation.warnings.append(
                node.place.problem(
                    "`links` is empty: people cannot reach the server, as far as it is told",
                    "write `server: {public_url: https://…}`, and no `links: false` there",
                )
            )


_LINKS = re.compile(r"\{[{%][^}]*\blinks\b")


def _tables(document: Document) -> dict[str, Entries]:
    """Return the rules as they are written, by name."""
    return {
        name.value.raw: node
        for node in document.rules
        if isinstance(node, Entries)
        and (name := node.get("name")) is not None
        and isinstance(name.value, Scalar)
    }


def _warn_of_unseen(
    name: str, node: Scalar, condition: Condition, shown: Shown, validation: Validation
) -> None:
    for mistake in shown.unseen_in(condition.tree):
        place = node.at(mistake.offset or 0)
        validation.warnings.append(place.problem(f"`{name}`: {mistake.message}", mistake.remedy))


def _written(message: Entries) -> Iterator[Entries]:
    """Yield the words of a rule: those for all receivers, then those for single ones."""
    yield message
    single = message.get("per_receiver")
    for one in single.value if single is not None and isinstance(single.value, Entries) else ():
        if isinstance(one.value, Entries):
            yield one.value


def _warn_of_unseen_words(
    words: Entries, shown: Shown, validation: Validation, *, many: bool
) -> None:
    for key in ("title", "body"):
        entry = words.get(key)
        if entry is None or not isinstance(entry.value, Scalar):
            continue
        for one in shown.unseen_in_template(entry.value.raw, many=many):
            place = entry.value.at(_offset(entry.value.raw, one.line, one.column))
            meant = f"did you mean `{one.suggestion}`?" if one.suggestion else ""
            message = f"`{key}`: with {shown.who}, {one.message}"
            validation.warnings.append(place.problem(message, meant))


def _check_template(
    table: Entries, references: References, validation: Validation, *, many: bool
) -> None:
    for key in ("title", "body"):
        entry = table.get(key)
        node = entry.value if entry is not None else None
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            continue
        for one in references.check_template(node.raw, many=many):
            place = node.at(one.offset or 0)
            validation.problems.append(place.problem(f"`{key}`: {one.message}", one.remedy))


def _sources(entry: Entry) -> str:
    nodes = entry.value if isinstance(entry.value, Entries) else ()
    return " ".join(one.value.raw for one in nodes if isinstance(one.value, Scalar))
