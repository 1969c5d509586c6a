"""Loading: which files are read, and how they become one configuration."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.config.harness import ENVIRON, SOURCE, Write, read, refused
from tests.config.small_providers import PROVIDERS
from watcher.config.load import load


def test_a_directory_is_read_in_name_order(tmp_path: Path, write: Write) -> None:
    write("rules: [{name: B, when: '*', notify: team}]", "b.yaml")
    write("rules: [{name: A, when: '*', notify: team}]", "a.yml")
    write("receivers: {team: {type: apprise, url: 'json://x'}}", "c.yaml")
    write(SOURCE, "10.yaml")
    for name in ("a.test.yaml", "a.test.yml", ".hidden.yaml", "sub/x.yaml", "note.txt"):
        write("nonsense: true", name)
    (tmp_path / "folder.yaml").mkdir()
    config = read(tmp_path)
    assert [rule.name for rule in config.rules] == ["A", "B"]
    assert [file.name for file in config.files] == ["10.yaml", "a.yml", "b.yaml", "c.yaml"]


def test_paths_are_read_as_they_are_named_and_once(tmp_path: Path, write: Write) -> None:
    last = write(SOURCE, "z.yaml")
    first = write("store: a.db", "a.yaml")
    assert read(last, tmp_path, first).files == (last, first)


def test_the_variable_names_several_paths(write: Write) -> None:
    one, two = write(SOURCE, "one.yaml"), write("store: b.db", "two.yaml")
    environ = {**ENVIRON, "INBOX_WATCHER_CONFIG": f"{one}{os.pathsep}{two}"}
    for nothing in (None, ()):
        assert load(nothing, environ=environ, providers=PROVIDERS).files == (one, two)


def test_what_is_named_beats_the_variable(write: Write) -> None:
    one, two = write(SOURCE, "one.yaml"), write("nonsense: 1", "two.yaml")
    environ = {**ENVIRON, "INBOX_WATCHER_CONFIG": str(two)}
    assert read(one, environ=environ).files == (one,)


def test_without_anything_it_is_rules_in_the_working_directory(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(SOURCE, "rules/start.yaml")
    monkeypatch.chdir(tmp_path)
    config = load(environ=ENVIRON, providers=PROVIDERS)
    assert config.files == (Path("rules/start.yaml"),)


@pytest.mark.parametrize("name", ["none.yaml", "none", "a\0b"])
def test_a_path_that_leads_nowhere_is_named(tmp_path: Path, name: str) -> None:
    (said,) = refused(tmp_path / name)
    assert said.startswith(f"{tmp_path / name}: ")


def test_a_directory_without_files_is_named(tmp_path: Path) -> None:
    (said,) = refused(tmp_path)
    assert "the directory has no *.yaml or *.yml file" in said


def test_a_link_that_leads_to_itself_is_named(tmp_path: Path) -> None:
    loop = tmp_path / "loop.yaml"
    loop.symlink_to(loop)
    (said,) = refused(loop)
    assert said.startswith(f"{loop}: cannot be read: ")


def test_what_is_readable_is_checked_all_the_same(tmp_path: Path, write: Write) -> None:
    said = refused(tmp_path / "none.yaml", write("sources: {a: {provider: plain}}"))
    assert len(said) == 2


# Several files


def test_a_name_given_twice_says_where_it_was_first(write: Write) -> None:
    one = write("store: a.db\nserver: false\n" + SOURCE, "one.yaml")
    two = write("server: false\nstore: b.db\n" + SOURCE, "two.yaml")
    said = refused(one, two)
    assert len(said) == 3
    assert said[0].startswith(f"{two}:1:1: duplicate `server`; first used at {one}:2:1")
    assert said[1].startswith(f"{two}:2:1: duplicate `store`; first used at {one}:1:1")
    assert said[2].startswith(f"{two}:4:3: duplicate source `sales`; first used at")


def test_rules_of_one_name_in_two_files_are_a_mistake(write: Write) -> None:
    rule = "rules: [{name: A, when: '*', notify: team}]"
    one = write(SOURCE + "receivers: {team: {type: apprise, url: 'json://x'}}\n" + rule, "one.yaml")
    (said,) = refused(one, write(rule, "two.yaml"))
    assert f"duplicate rule name `A`; first used at {one}:4:16" in said


def test_problems_come_in_the_order_of_files_and_lines(write: Write) -> None:
    one = write("rules: [5]\n" + SOURCE + "bogus: 1\n", "z.yaml")
    two = write("\n\nbogus: 1\nretention: {events: x, bogus: 1}\n", "a.yaml")
    places = [said.split(": ")[0] for said in refused(one, two)]
    assert places == [f"{one}:1:9", f"{one}:4:1", f"{two}:3:1", f"{two}:4:21", f"{two}:4:24"]


def test_a_broken_file_does_not_make_its_content_missing(write: Write) -> None:
    rules = write("rules: [{name: A, when: '*', notify: team}]", "rules.yaml")
    (said,) = refused(rules, write("receivers: {team: [", "broken.yaml"))
    assert "broken.yaml" in said


def test_a_relative_secret_starts_at_the_folder_of_its_file(tmp_path: Path, write: Write) -> None:
    write("from-file\n", "sub/secret")
    path = write("sources: {a: {provider: plain, token: '${file:secret}'}}", "sub/config.yaml")
    assert read(path).sources[0].token.read() == "from-file"
