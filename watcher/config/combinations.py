"""Settings of a rule that make no sense together.

Law: each is a mistake with the place of the setting to change; what may be wrong on its own is
checked elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from watcher.config.rule_schema import RuleForm
from watcher.config.tree import Entries, Entry
from watcher.config.validate import Work
from watcher.settings.values import format_duration
from watcher.suggest import did_you_mean, listing, short

__all__ = ["check_combinations", "check_otherwise"]

_WITH_DIGEST = (
    ("for", "`for` waits for one state, `digest` collects whatever comes", "use two rules"),
    ("repeat", "a digest is not repeated", "remove `repeat`, or make two rules"),
    ("throttle", "a digest is one message however much it collects", "remove `throttle`"),
)


def check_combinations(node: Entries, form: RuleForm, what: str, work: Work) -> None:
    """Object to settings of a rule that contradict each other."""
    if form.at_most is not None and form.repeat is None:
        _object(
            node, "at_most", f"{what} has `at_most` without `repeat`", "add `repeat: 30m`", work
        )
    if form.digest is not None:
        for key, reason, remedy in _WITH_DIGEST:
            if node.get(key) is not None:
                _object(node, key, f"{what} has `{key}` and `digest`: {reason}", remedy, work)
    if form.throttle and form.repeat and form.throttle.within >= form.repeat:
        within, every = format_duration(form.throttle.within), format_duration(form.repeat)
        _object(
            node,
            "throttle",
            f"{what} would throttle every repeat: one message in {within}, again every {every}",
            "make `throttle` shorter than `repeat`, or remove it",
            work,
        )


def check_otherwise(
    hours: Entry, form: RuleForm, receivers: Sequence[str], what: str, work: Work
) -> None:
    """Check that `otherwise` is a word, or a receiver that can get the message instead."""
    entry = hours.value.get("otherwise") if isinstance(hours.value, Entries) else None
    word = form.hours.otherwise if form.hours else "hold"
    if entry is None or word in ("hold", "drop"):
        return
    place = entry.value.place
    if word not in receivers:
        words = ("hold", "drop", *receivers)
        work.problems.append(
            place.problem(
                f"`hours.otherwise` is neither hold, drop nor a receiver, found `{short(word)}`",
                f"{did_you_mean(word, words)}allowed: {listing(words)}",
            )
        )
    elif word in form.notify:
        work.problems.append(
            place.problem(
                f"`hours.otherwise` of {what} names `{word}`, which `notify` names too",
                "name another receiver, or write hold or drop",
            )
        )
    elif form.digest is not None:
        work.problems.append(
            place.problem(
                f"`hours.otherwise` of {what} names a receiver, but a digest goes as a whole",
                "write hold or drop, or make two rules",
            )
        )


def _object(node: Entries, key: str, message: str, remedy: str, work: Work) -> None:
    entry = node.get(key)
    place = entry.key.place if entry is not None else node.place
    work.problems.append(place.problem(message, remedy))
