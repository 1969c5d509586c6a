"""Tables of templates: which mistakes are found and where, and what null prints as."""

from __future__ import annotations

import dataclasses
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import MARIA, T0, conversation_event
from watcher.model import Event, Message, to_plain
from watcher.templates import TemplateError, default_message, render, render_digest, speaks_of
from watcher.templates.compiled import compile_template


def filled(source: str, **more: Any) -> str:
    rendered = render(None, source, conversation_event(**more))
    assert rendered.problem is None
    return rendered.body


NOBODY = dataclasses.replace(MARIA, assignee=None, last_message=None, labels=())
CHANGES = {
    "assignee": {"before": None, "after": {"id": "u1", "name": "Ana"}},
    "priority": {"before": "low", "after": "high"},
}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("New message from {{ conversation.contact.name or 'unknown' }}", "New message from Maria Lopez"),
        ("{{ conversation.assignee.name }}", "Ana"),
        ("{{ conversation['contact']['name'] }}", "Maria Lopez"),
        ("{{ conversation.last_message.text | upper }}", "IS IT STILL FOR SALE?"),
        ("{{ conversation.last_message.text.split(' ')[0] }}", "Is"),
        ("{{ conversation.labels }}", "vip"),
        ("{{ conversation.unread }}", "true"),
        ("{{ conversation.assignee }}", "Ana"),
        ("{{ conversation.attributes.score + 1 }}", "8"),
        ("{% if 'vip' in conversation.labels %}VIP{% endif %}", "VIP"),
        ("{% for l in conversation.labels %}#{{ l }}{% endfor %}", "#vip"),
        ("{% set c = conversation.contact %}{{ c.name }}", "Maria Lopez"),
        ("{{ type }} {{ source }} {{ provider }}", "conversation.unread sales highlevel"),
        ("{{ conversation.contact.name | default('x') }}", "Maria Lopez"),
        ("{{ conversation.contact | tojson }}",
         '{"email": null, "id": "p1", "name": "Maria Lopez", "phone": null}'),
        ("{# conversation.asignee #}conversation.asignee", "conversation.asignee"),
        ("{% raw %}{{ conversation.asignee }}{% endraw %}!", "{{ conversation.asignee }}!"),
        ("{{ '{{ conversation.asignee }}' }}", "{{ conversation.asignee }}"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(conversation.channel) }}", "<sms>"),
    ],
)  # fmt: skip
def test_a_template_prints_what_the_event_holds(source: str, expected: str) -> None:
    assert filled(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("[{{ conversation.assignee.name }}]", "[]"),
        ("[{{ conversation.assignee.name | upper }}]", "[]"),
        ("[{{ conversation.last_message.text.upper() }}]", "[]"),
        ("[{{ conversation.last_message.text | truncate(3) }}]", "[]"),
        ("[{{ conversation.attributes.a.b.c[0] }}]", "[]"),
        ("[{{ conversation.labels[0] }}]", "[]"),
        ("[{{ conversation.assignee.name or 'nobody' }}]", "[nobody]"),
        ("[{{ conversation.assignee.name | default('nobody') }}]", "[nobody]"),
        ("[{{ 'x' if conversation.assignee is none else 'y' }}]", "[x]"),
        ("[{{ 'x' if conversation.assignee == none else 'y' }}]", "[x]"),
        ("[{{ 'x' if conversation.assignee is defined else 'y' }}]", "[y]"),
        ("[{{ 'x' ~ conversation.assignee.name }}]", "[x]"),
        ("[{% for w in conversation.last_message.text %}x{% endfor %}]", "[]"),
        ("[{{ changes.assignee.before.name }}]", "[]"),
        ("[{{ reason }}{{ observed.before }}]", "[]"),
        ("[{{ conversation.assignee | tojson }}]", "[null]"),
    ],
)
def test_reading_through_null_gives_nothing(source: str, expected: str) -> None:
    assert filled(source, conversation=NOBODY) == expected
    assert filled("[{{ conversation.contact.name }}]", conversation=None) == "[]"


def test_changes_can_be_walked() -> None:
    source = (
        "{% for name, c in changes.items() %}{{ name }}: {{ c.before }}>{{ c.after }};{% endfor %}"
    )
    assert filled(source, changes=CHANGES) == "assignee: >Ana;priority: low>high;"


@pytest.mark.parametrize(
    ("source", "place", "suggestion"),
    [
        ("{{ conversation.asignee }}", (1, 17), "conversation.assignee"),
        ("asignee\n{{ conversation.asignee.name }}", (2, 17), "conversation.assignee"),
        ("asignee {{ conversation.asignee }}", (1, 25), "conversation.assignee"),
        ("{{ conversation.contact.nmae or 'x' }}", (1, 25), "conversation.contact.name"),
        ("{{ 'x' or conversation.contact.nmae }}", (1, 32), "conversation.contact.name"),
        ("{% if false %}{{ conversation.unraed }}{% endif %}", (1, 31), "conversation.unread"),
        ("{{ 'a' if true else conversation.unraed }}", (1, 34), "conversation.unread"),
        ("{{ conversation['contct'] }}", (1, 18), "conversation.contact"),
        ("{{ conversation.name }}", (1, 17), "conversation.contact.name"),
        ("{{ changes.asignee.before }}", (1, 12), "changes.assignee"),
        ("{{ changes.assignee.befor.name }}", (1, 21), "changes.assignee.before"),
        ("{{ changes.get('asignee') }}", (1, 17), "changes.assignee"),
        ("{{ conversaton.channel }}", (1, 4), "conversation"),
        ("{{ channel }}", (1, 4), "conversation.channel"),
        ("{{ null }}", (1, 4), "none"),
        ("{% set c = conversation.contact %}{{ c.nmae }}", (1, 40), "c.name"),
        ("{% with c = conversation.contact %}{{ c.nmae }}{% endwith %}", (1, 41), "c.name"),
        ("{% for n, c in changes.items() %}{{ c.befor }}{% endfor %}", (1, 39), "c.before"),
        ("{% for l in conversation.lables %}{% endfor %}", (1, 26), "conversation.labels"),
        ("{% for l in conversation.labels %}{% endfor %}{{ l }}", (1, None), None),
        ("{{ conversation.labels | selectattr(conversation.x) }}", (1, 50), None),
        ("{{ conversation.channel.upper }}", (1, 25), "conversation.channel.upper()"),
        ("{{ conversation.channel.uper() }}", (1, 25), "upper"),
        ("{{ conversation.channel | uper }}", (1, 27), "upper"),
        ("{{ 'x' if conversation.channel is defned }}", (1, 35), "defined"),
        ("{{ asignee or 1 }}{{ asignee }}", (1, 4), "conversation.assignee"),
        ("{{ conversation.unread.value }}", (1, 24), None),
        ("{{ conversation.__class__ }}", (1, 17), None),
        ("{{ conversation.attributes.x.__class__ }}", (1, 30), None),
        ("{{ lipsum() }}", (1, 4), None),
        ("{% include 'other' %}", (1, None), None),
        ("line\n{{ conversation.", (2, None), None),
        ("{% fi %}", (1, None), None),
        ("{% for a in [1] %}{% for b in [1] %}{% for c in [1] %}"
         "{% endfor %}{% endfor %}{% endfor %}", (1, None), None),
        ("{{ 'x' * 999999999 }}", (1, None), None),
        ("{{ 10 ** 10 ** 10 }}", (1, None), None),
        ("{% for a in range(10 ** 9) %}x{% endfor %}", (1, None), None),
        ("{{ conversation.unread_count + conversation.channel }}", (1, None), None),
        ("{{ ('(' * 10) }}{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", (1, None), None),
    ],
)  # fmt: skip
def test_a_mistake_is_found_wherever_it_stands(
    source: str, place: tuple[int, int | None], suggestion: str | None
) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(source)
    error = caught.value
    assert (error.line, error.column) == place
    assert error.suggestion == suggestion
    assert "\n" not in error.message


def test_all_mistakes_of_one_template_are_told_at_once() -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template("{{ conversation.a }}\n{{ conversation.b }}\n{{ c }}")
    assert [caught.value.line, *(other.line for other in caught.value.others)] == [1, 2, 3]


def test_the_same_mistake_twice_on_a_line_has_two_columns() -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template("{{ conversation.asignee.id or conversation.asignee.name }}")
    assert [caught.value.column, *(other.column for other in caught.value.others)] == [17, 44]


def test_a_template_beyond_every_limit_is_refused() -> None:
    for source in (
        "{{" + "(" * 3000 + ")" * 3000 + "}}",
        "x" * 40_000,
        "{{ -" + "-" * 5000 + "1 }}",
    ):
        with pytest.raises(TemplateError):
            compile_template(source)


def test_a_template_that_fails_sends_the_default_message_and_says_why() -> None:
    source = "{{ conversation.unread_count + 1 }}"
    what = conversation_event(conversation=MARIA)
    rendered = render("{{ conversation.channel }}", source, what)
    assert (rendered.title, rendered.body) == default_message(what)
    assert rendered.problem is not None
    assert rendered.problem.startswith("the template failed: ")


def test_a_template_without_any_text_sends_the_default_message() -> None:
    what = conversation_event(conversation=NOBODY)
    rendered = render("{{ conversation.assignee.name }}", " ", what)
    assert (rendered.title, rendered.body) == default_message(what)
    assert rendered.problem == "the template rendered no text"


def test_what_a_rule_leaves_out_is_the_default() -> None:
    what = conversation_event()
    assert render("Hello", None, what).body == default_message(what)[1]
    assert render(None, "Hello", what).title == default_message(what)[0]
    assert render(None, None, what).problem is None


def test_a_title_is_one_line() -> None:
    assert render("a\n b", "x", conversation_event()).title == "a b"


@pytest.mark.parametrize("times", [90_000, 9_000_000])
def test_an_author_s_endless_text_is_none(times: int) -> None:
    endless = f"{{% for a in range({times // 100}) %}}{'xyz' * 100}{{% endfor %}}"
    rendered = render(None, endless, conversation_event())
    assert rendered.body == default_message(conversation_event())[1]
    assert rendered.problem is not None
    assert rendered.problem.endswith("the text is too long")


def test_long_values_are_shortened_and_an_author_s_words_stay() -> None:
    long = dataclasses.replace(MARIA, last_message=Message("word " * 20_000, "inbound"))
    body = "<b>{{ conversation.last_message.text }}</b><i>{{ conversation.last_message.text }}</i>"
    rendered = render(None, body, conversation_event(conversation=long))
    assert rendered.problem is None
    assert 60_000 < len(rendered.body) <= 131_072
    assert rendered.body.endswith("… (cut)</i>")
    assert "… (cut)</b><i>word" in rendered.body


@pytest.mark.parametrize(
    ("message", "printed"),
    [
        (Message(None, "inbound", "webchat", T0, attachments=("image",)), "[image]"),
        (Message("  ", "inbound", "webchat", T0, attachments=("audio", "image")), "[audio, image]"),
        (Message(None, "inbound", "call", T0), "[call]"),
        (Message(None, "inbound", "voicemail", T0), "[voicemail]"),
        (Message(None, "inbound", "email", T0, subject="A quote"), "Subject: A quote"),
        (Message(None, "inbound", "sms", T0), "[no text]"),
        (Message("words", "inbound", "sms", T0, attachments=("image",)), "words"),
    ],
)
def test_the_text_of_a_message_without_words_prints_what_it_is(
    message: Message, printed: str
) -> None:
    event = conversation_event(conversation=dataclasses.replace(MARIA, last_message=message))
    assert render(None, "{{ conversation.last_message.text }}", event).body == printed
    each = "{% for e in events %}{{ e.conversation.last_message.text }}{% endfor %}"
    assert render_digest(None, each, [event]).body == printed


def test_to_conditions_of_a_template_a_message_without_words_has_no_text() -> None:
    image = Message(None, "inbound", "webchat", T0, attachments=("image",))
    event = conversation_event(conversation=dataclasses.replace(MARIA, last_message=image))
    text = "conversation.last_message.text"
    for source, expected in (
        (f"{{{{ {text} or 'nothing' }}}}", "nothing"),
        (f"{{{{ {text} is none }}}}", "true"),
        (f"{{% if {text} %}}x{{% else %}}y{{% endif %}}", "y"),
        (f"{{{{ {text} | tojson }}}}", "null"),
        (f"{{{{ {text} | truncate(100) }}}}", "[image]"),
    ):
        assert render(None, source, event).body == expected


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{{ conversation.last_message.at | local }}", "2026-11-20 11:00 CET"),
        ("{{ conversation.last_message.at | local('%H:%M') }}", "11:00"),
        ("{{ observed.before | local('%d.%m.%Y %H:%M %Z') }}", "20.11.2026 11:00 CET"),
        ("[{{ conversation.created_at | local }}]", "[]"),
        ("{% macro m(t) %}{{ t | local }}{% endmacro %}{{ m(conversation.last_message.at) }}",
         "2026-11-20 11:00 CET"),
    ],
)  # fmt: skip
def test_times_are_those_of_the_configured_zone(source: str, expected: str) -> None:
    event = conversation_event(observed={"before": "2026-11-20T10:00:00.123Z"})
    assert render(None, source, event, BERLIN).body == expected
    utc = render(None, source, event).body
    assert utc == expected.replace("11:00", "10:00").replace("CET", "UTC")
    many = "{% for e in events %}{{ e.conversation.last_message.at | local }}{% endfor %}"
    assert render_digest(None, many, [event], BERLIN).body == "2026-11-20 11:00 CET"


def test_the_end_of_a_state_is_a_name_of_templates() -> None:
    source = "{% if resolved %}over after {{ resolved.seconds // 60 }} min{% else %}slow{% endif %}"
    over = {"kind": "resolved", "resolved": {"reason": "it was read", "seconds": 1500}}
    assert render(None, source, conversation_event()).body == "slow"
    assert render(None, source, conversation_event(delivery=over)).body == "over after 25 min"
    with pytest.raises(TemplateError, match="resolved has no field 'second'"):
        compile_template("{{ resolved.second }}")
    assert speaks_of("resolved", None, source)
    assert not speaks_of("resolved", None, "{{ conversation.id }}", "{{ broken", "resolved")


def test_what_the_clock_shows_is_a_name_of_templates_too() -> None:
    shows = "{{ local.weekday }} {{ local.date }} {{ local.hour }}:{{ local.minute }}"
    event = conversation_event()
    assert render(None, shows, event, BERLIN).body == "fri 2026-11-20 11:0"
    assert render(None, shows, event).body == "fri 2026-11-20 10:0"
    many = "{% for event in events %}{{ event.local.hour }}{% endfor %}"
    assert render_digest(None, many, [event], BERLIN).body == "11"
    with pytest.raises(TemplateError, match="local has no field 'hours'"):
        compile_template("{{ local.hours }}")


def test_the_zone_is_no_name_of_templates_and_local_takes_times_alone() -> None:
    with pytest.raises(TemplateError):
        compile_template("{{ _zone }}")
    failed = render(None, "{{ conversation.contact.name | local }}", conversation_event())
    assert failed.problem is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    fields=st.dictionaries(st.sampled_from(sorted(to_plain(MARIA))), JSON),
    source=st.sampled_from(
        [
            "{{ conversation.contact.name | upper }} {{ conversation }}",
            "{% for l in conversation.labels %}{{ l }}{% endfor %}",
            "{{ conversation.unread_count + 1 }}",
            "{{ conversation.attributes.a.b | tojson }} {{ conversation.last_message.at[:10] }}",
        ]
    ),
)
def test_render_never_raises_and_always_gives_sendable_text(
    fields: dict[str, Any], source: str
) -> None:
    odd = Event("e", "conversation.updated", "s", None, T0, {"conversation": fields})
    rendered = render(source, source, odd)
    assert rendered.title or rendered.body
    assert "\n" not in rendered.title
    (rendered.title + rendered.body).encode()


@given(st.text(alphabet="{}%|()[].'\" conversatif_\nedg", max_size=40))
def test_compiling_raises_nothing_but_template_errors(source: str) -> None:
    try:
        compile_template(source)
    except TemplateError as error:
        assert error.line >= 1  # noqa: PT017 - an error is allowed, not expected


def test_the_template_of_a_digest_goes_over_its_events() -> None:
    source = "{{ events | length }}:{% for one in events %} {{ one.conversation.assignee.name }}{% endfor %}"
    other = dataclasses.replace(MARIA, assignee=None)
    rendered = render_digest(
        source,
        None,
        [conversation_event(), conversation_event(conversation=other), conversation_event()],
    )
    assert rendered.problem is None
    assert rendered.title == "3: Ana Ana"
    assert rendered.body.startswith("- New message from Maria Lopez (sms)")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ conversation.channel }}", "unknown name 'conversation'; known here: events"),
        (
            "{% for e in events %}{{ e.conversation.chanel }}{% endfor %}",
            "e.conversation has no field",
        ),
        ("{{ events[0].sorce }}", "this has no field 'sorce'"),
    ],
)
def test_a_digest_knows_its_events_and_no_event_on_its_own(source: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(source, many=True)
    assert caught.value.message.startswith(message)
    compiled = compile_template("{{ conversation.channel }}")
    assert compiled.fill(conversation_event()) == "sms"


def test_a_digest_whose_template_fails_goes_out_with_the_default_words() -> None:
    rendered = render_digest(
        "{{ 1 // (events | length - 2) }}", None, [conversation_event(), conversation_event()]
    )
    assert rendered.problem is not None
    assert rendered.title == "2 notifications"
