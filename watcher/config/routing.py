"""The rules of the configuration.

Law: what `when`, `for` and `where` may say is decided by `watcher.rules`; that `notify` names
receivers of this configuration is checked here.
"""

from __future__ import annotations

from collections.abc import Iterable

from watcher.config.expressions import check_template, compile_where
from watcher.config.files import Merged
from watcher.config.schema import RuleForm
from watcher.config.tree import Entries, Entry, Items, Node, Scalar
from watcher.config.validate import Work, validate
from watcher.config.wording import listing, meant, short
from watcher.rules import Rule, check_for, check_when

__all__ = ["build_rules", "notified"]

_LITERAL = tuple(info.alias or name for name, info in RuleForm.model_fields.items())


def build_rules(merged: Merged, work: Work) -> tuple[Rule, ...]:
    """Check all rules; gives those without mistakes, in the order of the files."""
    names: dict[str, Scalar] = {}
    rules = (_rule(node, names, merged, work) for node in merged.rules)
    return tuple(rule for rule in rules if rule is not None)


def notified(node: Node) -> tuple[str, ...]:
    """Give the receivers that a rule names, whether or not it is right."""
    notify = node.get("notify") if isinstance(node, Entries) else None
    return tuple(text.raw for text in _texts(notify))


def _rule(node: Node, names: dict[str, Scalar], merged: Merged, work: Work) -> Rule | None:
    if not isinstance(node, Entries):
        work.problems.append(
            node.place.problem(f"a rule must be a mapping, found {node.kind}", "begin with `name:`")
        )
        return None
    name = _check_name(node.get("name"), names, work)
    what = f"the rule `{short(name.raw)}`" if name else "the rule"
    form = validate(RuleForm, node, work, parent=node.place, what=what, literal=_LITERAL)
    _check_when(node, form, work)
    _check_notify(node, merged, work)
    where = compile_where(node.get("where"), work)
    message = node.get("message")
    title = body = None
    if message is not None and isinstance(message.value, Entries):
        title = check_template(message.value.get("title"), work)
        body = check_template(message.value.get("body"), work)
    if form is None:
        return None
    return Rule(
        name=form.name,
        when=form.when,
        notify=tuple(dict.fromkeys(form.notify)),
        where=where,
        hold_for=form.hold_for or None,
        title=title,
        body=body,
    )


def _check_name(entry: Entry | None, names: dict[str, Scalar], work: Work) -> Scalar | None:
    """A rule is its name, so no two have the same one."""
    if entry is None or not isinstance(entry.value, Scalar) or not entry.value.raw:
        return None
    name = entry.value
    first = names.setdefault(name.raw, name)
    if first is not name:
        place = first.place
        work.problems.append(
            name.place.problem(
                f"the rule `{short(name.raw)}` is here a second time; the first is at"
                f" {place.file}:{place.line}:{place.column}",
                "give one of them another name",
            )
        )
    return name


def _check_when(node: Entries, form: RuleForm | None, work: Work) -> None:
    texts = _texts(node.get("when"))
    wrong = False
    for text in texts:
        for unknown in check_when((text.raw,)) if text.raw else ():
            wrong = True
            remedy = f"did you mean `{unknown.suggestion}`?" if unknown.suggestion else ""
            work.problems.append(text.place.problem(f"`when`: {unknown.message}", remedy))
    hold_for = node.get("for")
    if hold_for is None or wrong or (form is not None and not form.hold_for):
        return
    if objection := check_for([text.raw for text in texts]):
        work.problems.append(
            hold_for.value.place.problem(
                objection.message, "name other types in `when`, or drop it"
            )
        )


def _check_notify(node: Entries, merged: Merged, work: Work) -> None:
    for text in _texts(node.get("notify")):
        # Where a part of the configuration could not be read, the receiver may be in there.
        if text.raw and text.raw not in merged.receivers and merged.complete:
            receivers: Iterable[str] = merged.receivers
            remedy = f"{meant(text.raw, receivers)}configured: {listing(receivers) or 'none'}"
            work.problems.append(
                text.place.problem(f"there is no receiver `{short(text.raw)}`", remedy)
            )


def _texts(entry: Entry | None) -> tuple[Scalar, ...]:
    """Give the texts of a value that may be one text or a list; other values the form refuses."""
    if entry is None:
        return ()
    nodes = entry.value.items if isinstance(entry.value, Items) else (entry.value,)
    return tuple(node for node in nodes if isinstance(node, Scalar) and isinstance(node.value, str))
