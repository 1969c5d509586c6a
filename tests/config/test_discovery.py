"""Providers from other distributions: really installed, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MODULE = """
from typing import Annotated
from tests.config.small_providers import Desk, DeskSettings
from pydantic import Field
from watcher.secrets import SecretText
from watcher.settings.values import secret
from watcher.providers import Provider

class AcmeSettings(DeskSettings):
    desk_number: int = Field(description="Which desk")

class Acme(Desk):
    settings_model = AcmeSettings

class Odd:
    settings_model = AcmeSettings

class Bare(Provider):
    pass

class Starred(Desk):
    sets = ("unread", "starred")

class Loose(Desk):
    settings_model = dict

class QuietSettings(DeskSettings):
    pin: Annotated[SecretText, secret()] = Field(description="What opens the desk")

class Quiet(Desk):
    settings_model = QuietSettings
"""

CONFIG = """
sources:
  front:
    provider: %s
    token: not-a-real-token
    base_url: https://acme.example.com
    account_id: 1
    desk_number: 7
receivers: {team: {type: apprise, url: "json://localhost"}}
rules: [{name: A, when: "*", notify: team}]
"""

SCRIPT = """
import sys
from pathlib import Path
from watcher.config.json_schema import json_schema
from watcher.config.load import load
from watcher.errors import ConfigError
try:
    (source,) = load([Path(sys.argv[1])], environ={}).sources
    print(source.provider_class.__name__, source.settings.desk_number)
except ConfigError as error:
    print(error)
print("source.acme" in json_schema()["$defs"])
"""


def install(site: Path, distribution: str, points: str, module: str = "", text: str = "") -> None:
    """Lay down what `pip install` lays down: a module and its dist-info."""
    info = site / f"{distribution}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[watcher.providers]\n{points}\n")
    if module:
        (site / f"{module}.py").write_text(text)


def run(site: Path, provider: str) -> str:
    config = site / "config.yaml"
    config.write_text(CONFIG % provider)
    path = os.pathsep.join([str(site), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(config)],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Path:
    points = (
        "acme = acme_desk:Acme\nodd = acme_desk:Odd\nbare = acme_desk:Bare\n"
        "starred = acme_desk:Starred\nloose = acme_desk:Loose\ngone = acme_desk:Gone\n"
        "quiet = acme_desk:Quiet"
    )
    install(tmp_path, "acme_desk", points, "acme_desk", MODULE)
    return tmp_path


def test_a_provider_of_another_distribution_is_used_by_its_name(site: Path) -> None:
    assert run(site, "acme").splitlines() == ["Acme 7", "True"]


def test_a_module_that_cannot_be_imported_fails_only_the_sources_that_name_it(site: Path) -> None:
    install(site, "sad", "sad = sad_desk:Sad", "sad_desk", "import no_such_module_anywhere")
    assert run(site, "acme").startswith("Acme 7")
    said = run(site, "sad")
    assert "config.yaml:4:15: the provider `sad` of the distribution sad cannot be imported" in said
    assert "No module named 'no_such_module_anywhere'" in said


def test_a_module_that_exits_does_not_take_the_watcher_with_it(site: Path) -> None:
    install(site, "rash", "rash = rash_desk:Rash", "rash_desk", "raise SystemExit(3)")
    assert "cannot be imported: SystemExit: 3" in run(site, "rash")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "odd",
            "acme_desk:Odd of the distribution acme_desk is not a provider:"
            " it is not a subclass of watcher.providers.Provider",
        ),
        ("bare", "is not a provider: it lacks account, parse, request, start, settings_model"),
        ("starred", "is not a provider: its sets name starred, which no id set is called"),
        (
            "loose",
            "is not a provider: its settings are not a subclass of watcher.providers.ProviderSettings",
        ),
        (
            "quiet",
            "is not a provider: its setting `pin` is a secret whose name has no `token`, `secret`,"
            " `password` or `key`",
        ),
        (
            "gone",
            "the provider `gone` of the distribution acme_desk cannot be imported: AttributeError",
        ),
        ("acm", "there is no provider `acm` (did you mean `acme`?; installed: "),
    ],
)
def test_what_is_no_provider_is_said(site: Path, name: str, said: str) -> None:
    assert said in run(site, name)


def test_a_name_that_two_distributions_claim_belongs_to_nobody(site: Path) -> None:
    install(site, "second", "acme = acme_desk:Acme")
    said = run(site, "acme")
    assert "the provider `acme` is claimed by several distributions: acme_desk, second" in said
    assert "uninstall all but one of them" in said


def test_our_own_providers_come_the_same_way(tmp_path: Path) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    points = project["entry-points"]["watcher.providers"]
    lines = "\n".join(f"{name} = {value}" for name, value in points.items())
    install(tmp_path, "inbox_watcher", lines)
    said = run(tmp_path, "leadwy")
    assert "there is no provider `leadwy` (did you mean `leadway`?" in said
    assert all(name in said for name in points)
