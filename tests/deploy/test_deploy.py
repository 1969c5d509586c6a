"""What is deployed agrees with itself and with the project: locks, image, compose file, unit.

Whether the image works is tried by deploy/try-image.sh, which needs a container engine.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from watcher import daemon
from watcher.cli import app
from watcher.config.load import load
from watcher.daemon.open_files import planned_descriptors

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
LOCKS = ("requirements.lock", "requirements-build.lock", "requirements-test.lock")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def read_lock(name: str) -> list[str]:
    """Return the requirements of a lock, each on one line."""
    text = (DEPLOY / name).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def read_pins(name: str) -> dict[str, str]:
    """Return the version of each distribution in a lock."""
    pins: dict[str, str] = {}
    for line in read_lock(name):
        requirement = Requirement(line.split(" --hash", 1)[0])
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        pins[canonicalize_name(requirement.name)] = pin.version
    return pins


def read_dockerfile() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions with their arguments, each on one line."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    split = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(name, argument) for name, argument in split]


def of_image(name: str) -> list[str]:
    """Return the arguments of one instruction of the final stage."""
    instructions = read_dockerfile()
    last = max(index for index, (one, _) in enumerate(instructions) if one == "FROM")
    return [argument for one, argument in instructions[last:] if one == name]


def read_compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def read_unit() -> configparser.ConfigParser:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "inbox-watcher.service")
    return unit


def parse_command(words: list[str]) -> None:
    """Read a command line as the program does; raises what it would complain about."""
    command = typer.main.get_command(app)
    context = command.make_context("inbox-watcher", list(words), resilient_parsing=False)
    name, sub, rest = command.resolve_command(context, words)  # type: ignore[attr-defined]
    sub.make_context(name, rest, parent=context)


# -- locks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS)
def test_every_requirement_of_a_lock_is_pinned_and_has_hashes(lock: str) -> None:
    lines = read_lock(lock)
    assert lines
    for line in lines:
        assert re.fullmatch(
            r"[a-z0-9.-]+==[^ ]+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+", line
        ), line


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_index_host_or_folder(lock: str) -> None:
    text = (DEPLOY / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE), "an option of pip"
    assert not re.search(r"^[^#]*[/@]", text, re.MULTILINE), "a path or a direct reference"


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", PROJECT["project"]["dependencies"]),
        ("requirements-build.lock", PROJECT["build-system"]["requires"]),
        (
            "requirements-test.lock",
            PROJECT["project"]["dependencies"]
            + PROJECT["project"]["optional-dependencies"]["test"]
            + PROJECT["build-system"]["requires"],
        ),
    ],
)
def test_a_lock_has_what_the_project_asks_for(lock: str, wanted: list[str]) -> None:
    pins = read_pins(lock)
    for requirement in map(Requirement, wanted):
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"run deploy/lock.sh: {lock} lacks {requirement}"
        assert requirement.specifier.contains(version), f"run deploy/lock.sh: {requirement}"


def test_what_is_tested_is_what_is_deployed() -> None:
    tested = read_pins("requirements-test.lock").items()
    assert read_pins("requirements.lock").items() <= tested
    assert read_pins("requirements-build.lock").items() <= tested


# -- the image -----------------------------------------------------------------------------------


def test_both_stages_come_from_the_same_base() -> None:
    bases = {argument.split()[0] for name, argument in read_dockerfile() if name == "FROM"}
    assert bases == {"${BASE}"}


def test_the_base_is_pinned_by_its_digest_and_says_its_version() -> None:
    """A tag leads to another image tomorrow, and nobody notices."""
    (base,) = (argument for name, argument in read_dockerfile() if name == "ARG")
    assert re.fullmatch(r"BASE=python:3\.\d+-slim-[a-z]+@sha256:[0-9a-f]{64}", base)
    assert "docker buildx imagetools inspect" in (ROOT / "Dockerfile").read_text()


def test_what_changes_with_each_build_comes_last() -> None:
    instructions = [name for name, _ in read_dockerfile()]
    last = max(index for index, name in enumerate(instructions) if name == "FROM")
    after = instructions[last:][instructions[last:].index("COPY") + 1 :]
    assert after == ["USER", "ENTRYPOINT", "CMD"]


def test_ci_runs_the_tests_with_the_newest_and_with_the_locked_set() -> None:
    """So a schema that a new Apprise brings is found by its own test, whatever the lock has."""
    script = (ROOT / ".ci/run").read_text()
    newest, locked = script.index('readme.py "$work/checkout" tests'), script.index('"$bin/pytest"')
    assert newest < locked
    assert script.rstrip().endswith('exit "$newest"')


def test_the_image_copies_only_what_there_is() -> None:
    for name, argument in read_dockerfile():
        if name == "COPY" and not argument.startswith("--from"):
            for source in argument.split()[:-1]:
                assert (ROOT / source).exists(), source


def test_the_image_runs_the_projects_script_as_a_numeric_user() -> None:
    (entrypoint,), (command,) = of_image("ENTRYPOINT"), of_image("CMD")
    (script,) = json.loads(entrypoint)
    assert script in PROJECT["project"]["scripts"]
    parse_command(json.loads(command))
    assert of_image("USER") == ["10001:10001"]


# -- compose and its configuration ---------------------------------------------------------------


def test_the_containers_configuration_is_valid_without_a_warning() -> None:
    config = load([DEPLOY / "inbox-watcher.yaml"], secrets=False, environ={})
    assert config.warnings == ()
    assert len(config.sources) == 2


def test_image_compose_file_and_configuration_agree() -> None:
    config = load([DEPLOY / "inbox-watcher.yaml"], secrets=False, environ={})
    compose = read_compose()
    service = compose["services"]["inbox-watcher"]
    (volume,) = of_image("VOLUME")
    (check,) = of_image("HEALTHCHECK")
    (exposed,) = of_image("EXPOSE")
    assert config.server is not None
    assert config.server.probes is not None

    mounts = dict(one.split(":", 1) for one in service["volumes"])
    assert mounts.pop("state") == volume == str(config.store.path.parent)
    assert "state" in compose["volumes"]
    ((source, target),) = mounts.items()
    assert (DEPLOY / source).is_file()
    assert f"INBOX_WATCHER_CONFIG={Path(target).parent}" in " ".join(of_image("ENV"))
    assert (DEPLOY / service["build"]["context"] / "Dockerfile").is_file()

    assert f"'{config.server.listen.host}', {config.server.listen.port}," in check
    assert config.server.probes.port == int(exposed)
    assert service["ports"] == [f"127.0.0.1:{exposed}:{exposed}"]


def test_every_secret_of_the_configuration_is_handed_in() -> None:
    compose = read_compose()
    text = (DEPLOY / "inbox-watcher.yaml").read_text()
    wanted = re.findall(r"\$\{file:/run/secrets/(\w+)\}", text)
    assert "${" not in re.sub(r"\$\{file:/run/secrets/\w+\}", "", text)
    assert sorted(wanted) == sorted(compose["services"]["inbox-watcher"]["secrets"])
    assert sorted(wanted) == sorted(compose["secrets"])


def test_nothing_in_the_container_is_writable_but_state_and_tmp() -> None:
    service = read_compose()["services"]["inbox-watcher"]
    assert service["read_only"] is True
    assert [mount.split(":")[0] for mount in service["tmpfs"]] == ["/tmp"]  # noqa: S108
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert int(service["stop_grace_period"].removesuffix("s")) > daemon.GRACE


def test_every_deployment_bounds_memory_and_gives_descriptors_enough() -> None:
    compose, unit = read_compose()["services"]["inbox-watcher"], read_unit()["Service"]
    workers = 2 * 2 * 512  # two for each of two Apprise receivers, at most
    assert compose["mem_limit"].removesuffix("g") == unit["MemoryMax"].removesuffix("G")
    assert int(compose["mem_limit"].removesuffix("g")) * 1024 >= workers
    assert compose["ulimits"]["nofile"] == int(unit["LimitNOFILE"])
    assert compose["ulimits"]["core"] == int(unit["LimitCORE"]) == 0
    assert compose["pids_limit"] == 512
    config = load([DEPLOY / "inbox-watcher.yaml"], secrets=False, environ={})
    planned = sum(planned_descriptors(config).values())
    assert 10 * planned < compose["ulimits"]["nofile"]


def test_the_unit_lets_the_daemon_raise_its_own_limit() -> None:
    lines = (DEPLOY / "inbox-watcher.service").read_text().splitlines()
    filters = [line for line in lines if line.startswith("SystemCallFilter=")]
    assert filters.index("SystemCallFilter=setrlimit prlimit64") > filters.index(
        "SystemCallFilter=~@privileged @resources"
    )


# -- systemd -------------------------------------------------------------------------------------


def test_the_unit_runs_a_command_that_there_is() -> None:
    service = read_unit()["Service"]
    script, *words = shlex.split(service["ExecStart"])
    assert Path(script).name in PROJECT["project"]["scripts"]
    parse_command(words)
    assert service["RestartPreventExitStatus"] == "2"
    assert int(service["TimeoutStopSec"]) > daemon.GRACE


def test_the_unit_keeps_its_state_where_its_comment_says() -> None:
    service = read_unit()["Service"]
    comment = (DEPLOY / "inbox-watcher.service").read_text()
    assert f"store: /var/lib/{service['StateDirectory']}/inbox-watcher.db" in comment
    assert service["WorkingDirectory"] == f"%S/{service['StateDirectory']}"


@pytest.mark.parametrize("file", ["inbox-watcher.service", "compose.yaml", "lock.sh"])
def test_the_files_that_comments_name_exist(file: str) -> None:
    text = (DEPLOY / file).read_text()
    # The secrets are the user's own.
    named = set(re.findall(r"\b(?:deploy|rules|docs)/[\w./-]*\w", text)) - {"deploy/secrets"}
    for path in named:
        assert (ROOT / path).exists(), path


# -- the trial -----------------------------------------------------------------------------------


def test_the_trials_other_ends_write_a_valid_configuration_and_miss_a_watcher(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, DEPLOY / "trial.py", tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "6 accounts and a receiver listen\n"
            config = load([tmp_path / "config"], secrets=False, environ={})
            assert len(config.sources) == 6
            secrets = {file.name for file in (tmp_path / "secrets").iterdir()}
            assert secrets == {source.name for source in config.sources} | {"crm"}

            process.send_signal(signal.SIGUSR1)
            told = [process.stdout.readline() for _ in config.sources]
            assert [line.split(":")[0] for line in told] == [one.name for one in config.sources]

            process.send_signal(signal.SIGTERM)
            rest = process.stdout.read()
            assert rest.count("did not arrive: ") >= 6
            assert "0 changes arrived" in rest
            assert process.wait(timeout=10) == 1
        finally:
            process.kill()
