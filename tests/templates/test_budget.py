"""Every rendering ends within its budget, whatever a stranger writes: with its text or the default one."""

from __future__ import annotations

import dataclasses
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.make import MARIA, conversation_event
from watcher.catalogue.bounds import LONGEST_TEXT
from watcher.model import Event, Message
from watcher.templates import default_message, render
from watcher.templates.compiled import over_budget
from watcher.templates.meter import STEPS, charge, metered

TEXT = "conversation.last_message.text"
XS = "conversation.attributes.xs"
TOO_MANY = f"it takes more than {STEPS:,} steps, the budget of a template"


def event(text: str = "Hello", xs: Any = ()) -> Event:
    said = dataclasses.replace(MARIA, last_message=Message(text, "inbound"), attributes={"xs": xs})
    return conversation_event(conversation=said)


def long(text: str) -> str:
    return (text * LONGEST_TEXT)[:LONGEST_TEXT]


NESTED = (
    f"{{% for w in {TEXT}.split() %}}{{% for v in {TEXT}.split() %}}"
    "{% if w == v %}{{ w }}{% endif %}{% endfor %}{% endfor %}."
)
DOUBLED = (
    "{% set n = namespace(a={start}) %}{% for i in range(60) %}{% set n.a = {more} %}{% endfor %}"
)


def doubled(start: str, more: str, use: str) -> str:
    return DOUBLED.replace("{start}", start).replace("{more}", more) + use


ENDLESS = [
    ("words of words", NESTED, long("ab ")),
    ("a text in its own place", f"{{{{ {TEXT} | replace('a', {TEXT}) }}}}", long("a")),
    ("the same by its method", f"{{{{ {TEXT}.replace('a', {TEXT}) | length }}}}", long("a")),
    ("joined by itself", f"{{{{ {TEXT} | join({TEXT}) | length }}}}", long("a")),
    ("the same by its method", f"{{{{ {TEXT}.join({TEXT}) | length }}}}", long("a")),
    ("a format of places", f"{{{{ {TEXT}.format({TEXT}) | length }}}}", long("{0}")),
    ("a format by a map", f"{{{{ {TEXT}.format_map({{'a': {TEXT}}}) }}}}", long("{a}")),
    ("a format by names", f"{{{{ ({TEXT} % {{'a': {TEXT}}}) | length }}}}", long("%(a)s")),
    ("the same by its filter", f"{{{{ {TEXT} | format(a={TEXT}) | length }}}}", long("%(a)s")),
    ("lines that end with a text", f"{{{{ {TEXT} | wordwrap(20, true, {TEXT}) }}}}", long("a ")),
    ("lines that begin with one", f"{{{{ {TEXT} | indent({TEXT}) }}}}", long("a\n")),
    ("tags", f"{{% for i in range(99) %}}{{{{ {TEXT} | striptags }}}}{{% endfor %}}", long("<a>")),
    (
        "a search",
        f"{{% for i in range(999) %}}{{{{ {TEXT}.rfind('a' * 500) }}}}{{% endfor %}}",
        long("b"),
    ),
    (
        "another search",
        f"{{% for i in range(9999) %}}{{{{ 'b' in {TEXT} }}}}{{% endfor %}}",
        long("a"),
    ),
    (
        "slices",
        f"{{% for i in range(9999) %}}{{{{ {TEXT}[1:] | length }}}}{{% endfor %}}",
        long("é"),
    ),
    (
        "blocks",
        f"{{% for i in range(999) %}}{{% set x %}}{{{{ {TEXT} }}}}{{% endset %}}{{% endfor %}}",
        long("é"),
    ),
    (
        "sorted words",
        f"{{% for i in range(99) %}}{{{{ {TEXT}.split() | sort }}}}{{% endfor %}}",
        long("a "),
    ),
]


hostile = pytest.mark.parametrize(
    ("source", "text"), [one[1:] for one in ENDLESS], ids=[one[0] for one in ENDLESS]
)


@hostile
def test_a_stranger_s_text_makes_no_rendering_endless(source: str, text: str) -> None:
    what = event(text)
    tracemalloc.start()
    rendered = render(None, source, what)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rendered.problem == f"the template failed: {TOO_MANY}"
    assert rendered.body == default_message(what)[1]
    assert peak < 100_000_000


@hostile
def test_the_same_template_says_what_it_should_of_an_ordinary_text(source: str, text: str) -> None:
    rendered = render(None, f"{source}.", event("ab {{}} 50"))
    assert rendered.problem is None or "budget" not in rendered.problem


AUTHORS = [
    ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}.", TOO_MANY),
    ("{% for i in range(99999) if i < 0 %}{% endfor %}" * 4, TOO_MANY),
    (
        "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}.",
        TOO_MANY,
    ),
    ("{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}.", "calls itself endlessly"),
    (
        "{% macro m(a=["
        + "1," * 4000
        + "1]) %}{% endmacro %}{% for i in range(9999) %}{{ m() }}{% endfor %}",
        TOO_MANY,
    ),
    ("{% for x in [1] recursive %}{{ loop([x, x]) }}{% endfor %}.", "calls itself endlessly"),
    (doubled("[1]", "[n.a, n.a]", "{{ n.a }}"), TOO_MANY),
    (doubled("[1]", "[n.a, n.a]", "{{ n.a == 1 }}"), TOO_MANY),
    (doubled("[1]", "[n.a, n.a]", "{{ n.a | tojson }}"), TOO_MANY),
    (doubled("[1]", "[n.a, n.a]", "{{ n | string }}"), TOO_MANY),
    (doubled("[1]", "[n.a, n.a]", "{{ '%s' % n.a }}"), TOO_MANY),
    (doubled("[1]", "[n.a, n.a]", "{{ '{}'.format(n.a) }}"), TOO_MANY),
    (doubled("[1]", "[n.a, n.a]", "{{ 'a' ~ n.a }}"), TOO_MANY),
    (doubled("'a'", "n.a ~ n.a", "{{ n.a }}"), TOO_MANY),
    (doubled("'a'", "n.a + n.a", "{{ n.a }}"), TOO_MANY),
    (doubled("[1]", "n.a + n.a", "."), TOO_MANY),
    (doubled("3", "n.a * n.a", "."), "a number is too large"),
    ("{{ 10 ** 10 ** 8 }}", "a power is too large"),
    ("{{ 'x' * 300000000 }}", "a repeated text is too long"),
    ("{{ [1] * 300000000 }}", "a repeated text is too long"),
    ("{{ 'x' | center(300000000) }}", "a width is above 1,000"),
    ("{{ 'x'.center(300000000) }}", "a width is above 1,000"),
    ("{{ 'x'.ljust(300000000) }}", "a width is above 1,000"),
    ("{{ 'x'.rjust(300000000) }}", "a width is above 1,000"),
    ("{{ 'x'.zfill(300000000) }}", "a width is above 1,000"),
    ("{{ '\t'.expandtabs(300000000) }}", "a width is above 100"),
    ("{{ 'a\nb' | indent(300000000) }}", "a width is above 1,000"),
    ("{{ '{:>300000000}'.format(1) }}", "a width is above 1,000"),
    ("{{ '{:.300000000f}'.format(1) }}", "a width is above 1,000"),
    ("{{ '{:>{}}'.format(1, 300000000) }}", "a width is above 1,000"),
    ("{{ '%300000000d' % 1 }}", "a width is above 1,000"),
    ("{{ '%.300000000f' | format(1) }}", "a width is above 1,000"),
    ("{{ '%*d' % (300000000, 1) }}", "a width is above 1,000"),
    ("{{ [1] | batch(300000000, 'x') | list }}", "a width is above 1,000"),
    ("{{ [1] | slice(300000000, 'x') | list }}", "a width is above 1,000"),
    ("{{ conversation | tojson(indent=300000000) }}", "a width is above 16"),
    ("{{ 1.5 | round(300000000, 'ceil') }}", "a width is above 100"),
    ("{{ [[1]] | sum(start=[]) }}", "sum() adds numbers alone"),
    ("{{ conversation.created_at | local('%300000000d' * 100) }}", "longer than 200 characters"),
    ("{{ (5).to_bytes(300000000, 'big') }}", "no method to_bytes()"),
    ("{{ 'a'.encode() }}", "no method encode()"),
    ("{{ 'a'.translate({97: 'aa'}) }}", "no method translate()"),
    ("{{ 'a' | urlize }}", "unknown filter 'urlize'"),
    ("{{ 'a' | pprint }}", "unknown filter 'pprint'"),
]


@pytest.mark.parametrize(
    ("source", "problem"), AUTHORS, ids=[str(at) for at in range(len(AUTHORS))]
)
def test_nor_does_an_author(source: str, problem: str) -> None:
    rendered = render(None, source, event())
    assert rendered.problem is not None
    assert problem in rendered.problem
    assert rendered.body == default_message(event())[1]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ 'x' | center(9) }}|", "x    |"),
        (
            "{{ '{:>5}'.format(1) }}|{{ '%05.1f' % 2.25 }}|{{ '%s-%s' | format(1, 'a') }}|",
            "1|002.2|1-a|",
        ),
        ("{{ 'a b' | replace('a', 'c') }}{{ 'a'.replace('a', 'd') }}", "c bd"),
        ("{{ [1, 2, 3] | batch(2) | map('join', '+') | join(' ') }}", "1+2 3"),
        ("{{ [3, 1] | sort | join(',') }}{{ [1, 2] | sum }}{{ '\t'.expandtabs(2) }}|", "1,33  |"),
        (
            "{% for x in [1, [2]] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}",
            "12",
        ),
        ("{% macro m(a='d') %}<{{ a }}>{% endmacro %}{{ m() }}{{ m('x') }}", "<d><x>"),
        (
            "{% for a in 'xay' if a != 'a' %}{{ loop.index }}{{ a }}{% else %}none{% endfor %}",
            "1x2y",
        ),
        ("{{ 'a' in 'cab' }} {{ 1 < 2 < 3 }} {{ 'ab'[1:] ~ 1 ~ [2] }}", "true true b1[2]"),
        (
            "{% set c, j = cycler('a', 'b'), joiner() %}{{ c.next() }}{{ c.next() }}{{ j() }}{{ j() }}.",
            "ab, .",
        ),
    ],
)
def test_what_is_within_the_budget_stays_as_it_is(source: str, text: str) -> None:
    rendered = render(None, source, event())
    assert (rendered.problem, rendered.body) == (None, text)


def test_a_rendering_ends_at_the_same_step_each_time() -> None:
    """The steps are counted: no clock, load or other machine decides."""

    def fails(count: int) -> bool:
        source = f"{{% for i in range({count}) %}}{{{{ i }}}}{{% endfor %}}."
        return render(None, source, event()).problem is not None

    below, above = 1, 100_000
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if fails(middle) else (middle, above)
    assert 1 < below < 99_999
    assert [(fails(below), fails(above)) for _ in range(3)] == [(False, True)] * 3


def test_what_runs_outside_of_a_rendering_has_no_budget() -> None:
    with pytest.raises(LookupError):
        charge(1)
    with metered():
        assert charge(STEPS)


@pytest.mark.parametrize(
    ("source", "over"),
    [
        (NESTED, True),
        (f"{{{{ {TEXT} | replace('a', {TEXT}) }}}}", True),
        (
            f"{{% for x in {XS} %}}{{% for y in {XS} %}}{{{{ x == y }}}}{{% endfor %}}{{% endfor %}}",
            True,
        ),
        (f"{{{{ {TEXT} | truncate(300) }}}} {{{{ conversation.url }}}}", False),
        ("{{ conversation.contact | tojson }}", False),
        ("{% for name, both in changes.items() %}{{ name }}: {{ both.after }}{% endfor %}", False),
    ],
)
def test_a_template_without_a_bound_is_found_before_anybody_writes(source: str, over: bool) -> None:
    assert (over_budget(source) != "") is over


def test_a_digest_s_template_is_tried_likewise() -> None:
    body = NESTED.replace("conversation.", "events[0].conversation.")
    assert over_budget(body, many=True) == TOO_MANY
    assert over_budget("{% for e in events %}{{ e.conversation.url }}{% endfor %}", many=True) == ""


NAMES = st.sampled_from(
    (
        TEXT,
        XS,
        "conversation.contact.name",
        "conversation",
        "changes",
        "n.a",
        "w",
        "'ab'",
        "7",
        "[1, 'a']",
    )
)
CALLS = st.sampled_from(
    (
        "| replace('a', {})",
        "| join({})",
        "| list",
        "| sort",
        "| unique | list",
        "| upper",
        "| title",
        "| wordwrap(10)",
        "| indent(2)",
        "| tojson",
        "| string",
        "| map('string') | list",
        "| batch(3) | list",
        "| first",
        "| length",
        "| striptags",
        "| escape",
        "| urlencode",
        "| format({})",
        "| center(99)",
        "| reverse | list",
        ".split()",
        ".split({})",
        ".replace('a', {})",
        ".splitlines()",
        ".join({})",
        ".format({})",
        ".rfind({})",
        "[1:]",
        "* 9",
        "~ {}",
        "+ {}",
        "% {}",
        "== {}",
        "in {}",
        "| groupby(0) | list",
        "| items | list",
        "| select('string') | list",
        "| trim({})",
    )
)
VALUES = st.builds(
    lambda name, calls, other: name + "".join(f" {one.format(other)}" for one in calls),
    NAMES,
    st.lists(CALLS, max_size=4),
    NAMES,
)
BODIES = st.recursive(
    st.builds("{{{{ {} }}}}".format, VALUES) | st.builds("{{% set n.a = {} %}}".format, VALUES),
    lambda inner: (
        st.builds("{{% for w in {} %}}{}{{% endfor %}}".format, VALUES, inner)
        | st.builds("{{% for w in {} if {} %}}{}{{% endfor %}}".format, VALUES, VALUES, inner)
        | st.builds("{{% set n.a %}}{}{{% endset %}}".format, inner)
        | st.builds("{{% filter replace('a', {}) %}}{}{{% endfilter %}}".format, VALUES, inner)
        | st.builds("{}{}".format, inner, inner)
    ),
    max_leaves=6,
)
HOSTILE = st.builds(
    lambda pieces, most: (("".join(pieces) or "a") * most)[:most],
    st.lists(
        st.sampled_from(
            (
                "a",
                "ab ",
                "\n",
                "<",
                "<b>",
                "{0}",
                "%(a)s",
                "%s",
                "{",
                "İ",
                "é",
                "🔥",
                ">",
                ".",
                "\t",
                "-",
            )
        ),
        max_size=4,
    ),
    st.sampled_from((10, 3_000, LONGEST_TEXT)),
)


@settings(deadline=None, max_examples=60)
@given(BODIES, HOSTILE)
def test_any_template_and_any_text_end(body: str, text: str) -> None:
    what = event(text, [text[: LONGEST_TEXT // 5_000]] * 5_000)
    start = time.process_time()
    rendered = render(None, f"{{% set n = namespace(a='a') %}}{{% set w = 'a' %}}{body}", what)
    # The steps are the bound; this finds operations that cost more than they charge.
    assert time.process_time() - start < 3
    assert len(rendered.body) <= 131_072
