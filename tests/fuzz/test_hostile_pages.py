"""A short run of `python -m tests.fuzz`, and the answers that are hostile on purpose."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from watcher.errors import SourceChanged, SourceError
from watcher.providers import Response

from .answers import NOW
from .subjects import SUBJECTS
from .trial import MEGABYTE, Failed, Trial

ROOT = Path(__file__).parents[2]
PAGES = 120


@pytest.mark.parametrize("name", SUBJECTS)
def test_no_answer_does_what_none_may_do(name: str) -> None:
    trial = Trial(name, seed=0)
    outcomes = [trial.run(number, onward=True) for number in range(PAGES)]
    assert {outcome.spoiled for outcome in outcomes} >= {"fields", "structure", "rows", "text"}
    assert sum(outcome.decided for outcome in outcomes) > PAGES / 10
    assert sum(outcome.events for outcome in outcomes) > PAGES / 10
    assert {outcome.result for outcome in outcomes} >= {"page", "SourceChanged"}


def test_a_page_is_the_same_for_the_same_seed() -> None:
    one, other = (Trial("chatwoot", seed=3).run(17, measure=False) for _ in range(2))
    assert (one.size, one.result, one.spoiled) == (other.size, other.result, other.spoiled)


def _objects(key: str) -> bytes:
    return b'{"%s":[' % key.encode() + b"{}," * (10 * MEGABYTE) + b"{}]}"


LISTS = {"chatwoot": "payload", "highlevel": "conversations", "leadway": "conversations",
         "leadping": "items"}  # fmt: skip
BOMBS = {
    "ten million empty rows": lambda key: _objects(key),
    "a million numbers": lambda key: b'{"%s":[' % key.encode() + b"1," * MEGABYTE + b"1]}",
    "thirty megabytes of brackets": lambda key: b"[" * (30 * MEGABYTE),
    "thirty megabytes of digits": lambda key: b"1" * (30 * MEGABYTE),
    "thirty megabytes of spaces": lambda key: b" " * (30 * MEGABYTE),
    "thirty megabytes of one text": lambda key: b'"' + b"x" * (30 * MEGABYTE) + b'"',
    "a million halves of surrogate pairs": lambda key: b'{"a":"' + rb"\ud83d" * MEGABYTE + b'"}',
    "a million keys": lambda key: (
        b"{" + b",".join(b'"%d":0' % number for number in range(MEGABYTE)) + b"}"
    ),
}


@pytest.mark.parametrize("name", ["chatwoot", "highlevel", "leadping"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_a_changed_answer_and_costs_little(name: str, bomb: str) -> None:
    trial, subject = Trial(name, seed=0), SUBJECTS[name]
    provider = subject.make(False, {})
    body = BOMBS[bomb](LISTS[name])
    answer = Response(200, body, {}, NOW, NOW)
    position = provider.start(subject.motions["sweep"])
    with pytest.raises(SourceChanged):
        provider.parse(position, answer)
    result, page, seconds, memory = trial.read(provider, position, answer, raw=False, measure=True)
    assert (result, page) == ("SourceChanged", None)
    assert memory < 300 * MEGABYTE
    assert seconds < 30  # under load; by itself a fraction of a second


@pytest.mark.parametrize("status", [401, 403, 429, 500])
@pytest.mark.parametrize("name", SUBJECTS)
def test_a_refusal_of_megabytes_is_read_in_no_time(name: str, status: int) -> None:
    subject = SUBJECTS[name]
    provider = subject.make(False, {})
    body = b'{"message":"' + b"x" * (20 * MEGABYTE) + b'"}'
    position = provider.start(subject.motions["sweep"])
    with pytest.raises(SourceError) as caught:
        provider.parse(position, Response(status, body, {}, NOW, NOW))
    assert len(str(caught.value)) < 500


def test_the_command_says_what_it_did_and_makes_a_page_again(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "tests.fuzz", "--provider", "leadping", *arguments]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    done = run("--pages", "5", "--seed", "2")
    assert done.returncode == 0, done.stderr
    assert "leadping, seed 2: 5 pages from 0" in done.stdout
    assert "slowest: page" in done.stdout
    body = tmp_path / "body"
    again = run("--seed", "2", "--only", "3", "--save", str(body))
    assert again.returncode == 0, again.stderr
    assert f"size={body.stat().st_size}" in again.stdout


def test_what_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the border, pages that cannot be stored or sent come through."""
    monkeypatch.setattr("tests.fuzz.trial.sanitize", lambda page: page)
    trial = Trial("chatwoot", seed=5)

    def run() -> None:
        for number in range(1_000):
            trial.run(number, measure=False, onward=True)

    with pytest.raises((Failed, ValueError)):
        run()
