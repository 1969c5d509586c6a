"""The rules of the configuration.

Law: what `when`, `for` and conditions may say is decided by `watcher.rules`; that receivers,
templates and conditions of this configuration are named is checked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from watcher.config.combinations import check_combinations, check_otherwise
from watcher.config.expressions import compile_by, compile_where
from watcher.config.files import Merged
from watcher.config.named import NO_WORDS, Names, Words, words_of
from watcher.config.rule_schema import RuleForm
from watcher.config.silences import check_unique
from watcher.config.tree import Entries, Entry, Items, Node, Scalar
from watcher.config.validate import Work, validate
from watcher.config.weeks import build_digest, build_hours
from watcher.rules import Repeat, Rule, Throttle, check_lasting, check_when
from watcher.suggest import did_you_mean, listing, short

__all__ = ["build_rules", "notified", "warn_of_unreachable"]

_LITERAL = tuple(info.alias or name for name, info in RuleForm.model_fields.items())


def build_rules(merged: Merged, names: Names, work: Work) -> tuple[Rule, ...]:
    """Check all rules; gives those without mistakes, in the order of the files."""
    taken: dict[str, Scalar] = {}
    rules = (_rule(node, taken, merged, names, work) for node in merged.rules)
    return tuple(rule for rule in rules if rule is not None)


def warn_of_unreachable(merged: Merged, rules: Sequence[Rule], work: Work) -> None:
    """Warn of rules that are never asked: an earlier one with `stop` takes all of their events."""
    places = {
        name.value.raw: name.value.place
        for node in merged.rules
        if isinstance(node, Entries)
        and (name := node.get("name")) is not None
        and isinstance(name.value, Scalar)
    }
    taken: dict[str, str] = {}
    for rule in rules:
        if rule.types and rule.types <= taken.keys():
            stops = listing(f"`{name}`" for name in dict.fromkeys(taken[one] for one in rule.types))
            work.warnings.append(
                places[rule.name].problem(
                    f"the rule `{short(rule.name)}` can never match: `stop` of the rule {stops}"
                    " ends the evaluation before",
                    "put it first, or give the other one a `where`",
                )
            )
        if rule.stop and rule.where is None and rule.unless is None and not rule.lasting:
            for kind in rule.types:
                taken.setdefault(kind, rule.name)


def notified(node: Node) -> tuple[str, ...]:
    """Give the receivers that a rule names, whether or not it is right."""
    if not isinstance(node, Entries):
        return ()
    named = [text.raw for text in _texts(node.get("notify"))]
    hours = node.get("hours")
    if hours is not None and isinstance(hours.value, Entries):
        named += [text.raw for text in _texts(hours.value.get("otherwise"))]
    return tuple(named)


def _rule(
    node: Node, taken: dict[str, Scalar], merged: Merged, names: Names, work: Work
) -> Rule | None:
    if not isinstance(node, Entries):
        work.problems.append(
            node.place.problem(f"a rule must be a mapping, found {node.kind}", "begin with `name:`")
        )
        return None
    name = check_unique(node, taken, "rule", work)
    what = f"the rule `{short(name.raw)}`" if name else "the rule"
    form = validate(RuleForm, node, work, parent=node.place, what=what, literal=_LITERAL)
    _check_when(node, form, work)
    _check_notify(node, merged, work)
    where = compile_where(node.get("where"), work, names.conditions)
    unless = compile_where(node.get("unless"), work, names.conditions)
    many = node.get("digest") is not None
    (title, body, written), texts = _message(node, names, work, many=many)
    throttle = node.get("throttle")
    table = throttle.value if throttle and isinstance(throttle.value, Entries) else None
    by = compile_by(table.get("by") if table else None, work, names.conditions)
    if form is None:
        return None
    hours, digest = node.get("hours"), node.get("digest")
    check_combinations(node, form, what, work)
    if hours is not None and merged.complete:
        check_otherwise(hours, form, list(merged.receivers), what, work)
    _check_texts(node, form, work)
    return Rule(
        name=form.name,
        when=form.when,
        notify=tuple(dict.fromkeys(form.notify)),
        where=where,
        hold_for=form.hold_for or None,
        title=title,
        body=body,
        unless=unless,
        repeat=Repeat(form.repeat, form.at_most) if form.repeat else None,
        throttle=Throttle(form.throttle.within, by) if form.throttle else None,
        digest=build_digest(form.digest, digest, names, what, work)
        if form.digest and digest
        else None,
        hours=build_hours(form.hours, hours, names, what, work) if form.hours and hours else None,
        stop=form.stop,
        severity=form.severity,
        texts={name: (title, body) for name, (title, body, _) in texts.items()},
        format=written,
        formats={name: own for name, (_, _, own) in texts.items()},
    )


def _message(
    node: Entries, names: Names, work: Work, *, many: bool
) -> tuple[Words, Mapping[str, Words]]:
    """Give the words of a rule, and those for single receivers."""
    entry = node.get("message")
    common = _words(entry, NO_WORDS, names, work, many=many)
    texts: dict[str, Words] = {}
    own = entry.value.get("per_receiver") if entry and isinstance(entry.value, Entries) else None
    if own is not None and isinstance(own.value, Entries):
        for one in own.value:
            texts[one.name] = _words(one, common, names, work, many=many)
    return common, texts


def _words(entry: Entry | None, otherwise: Words, names: Names, work: Work, *, many: bool) -> Words:
    """Give the words of a message: its own, else its template's, else others."""
    if entry is None:
        return otherwise
    template = own = NO_WORDS
    if isinstance(entry.value, Entries):
        own = words_of(entry.value, work, many=many)
        named = entry.value.get("template")
        if named is not None and isinstance(named.value, Scalar) and named.value.raw:
            template = names.words(named.value, work, many=many)
    elif isinstance(entry.value, Scalar) and isinstance(entry.value.value, str):
        template = names.words(entry.value, work, many=many)
    title = _first(own[0], template[0], otherwise[0])
    body = _first(own[1], template[1], otherwise[1])
    written = own[2] or template[2]
    alone = _first(own[0], template[0]), _first(own[1], template[1])
    if written is None and (title, body) != alone:
        written = otherwise[2]  # some of the words are the others'
    return title, body, written


def _first(*texts: str | None) -> str | None:
    return next((text for text in texts if text is not None), None)


def _check_texts(node: Entries, form: RuleForm, work: Work) -> None:
    """Object to words for a receiver that the rule does not notify."""
    told = [*form.notify, *([form.hours.otherwise] if form.hours else [])]
    message = node.get("message")
    own = (
        message.value.get("per_receiver")
        if message and isinstance(message.value, Entries)
        else None
    )
    for entry in own.value if own and isinstance(own.value, Entries) else ():
        if entry.name not in told:
            work.problems.append(
                entry.key.place.problem(
                    f"`message.per_receiver`: this rule does not notify `{short(entry.name)}`",
                    f"{did_you_mean(entry.name, form.notify)}it notifies: {listing(form.notify)}",
                )
            )


def _check_when(node: Entries, form: RuleForm | None, work: Work) -> None:
    texts = _texts(node.get("when"))
    wrong = False
    for text in texts:
        for unknown in check_when((text.raw,)) if text.raw else ():
            wrong = True
            remedy = f"did you mean `{unknown.suggestion}`?" if unknown.suggestion else ""
            work.problems.append(text.place.problem(f"`when`: {unknown.message}", remedy))
    for key in ("for", "repeat"):
        entry = node.get(key)
        if entry is None or wrong or (key == "for" and form is not None and not form.hold_for):
            continue
        if objection := check_lasting(key, [text.raw for text in texts]):
            work.problems.append(
                entry.value.place.problem(
                    objection.message, "name other types in `when`, or drop it"
                )
            )


def _check_notify(node: Entries, merged: Merged, work: Work) -> None:
    for text in _texts(node.get("notify")):
        # Where a part of the configuration could not be read, the receiver may be in there.
        if text.raw and text.raw not in merged.receivers and merged.complete:
            receivers: Iterable[str] = merged.receivers
            remedy = (
                f"{did_you_mean(text.raw, receivers)}configured: {listing(receivers) or 'none'}"
            )
            work.problems.append(
                text.place.problem(f"there is no receiver `{short(text.raw)}`", remedy)
            )


def _texts(entry: Entry | None) -> tuple[Scalar, ...]:
    """Give the texts of a value that may be one text or a list; other values the form refuses."""
    if entry is None:
        return ()
    nodes = entry.value.items if isinstance(entry.value, Items) else (entry.value,)
    return tuple(node for node in nodes if isinstance(node, Scalar) and isinstance(node.value, str))
