"""Alerts and dashboard: what they ask for exists, and each alert fires and stays silent when it should.

`promtool` (Debian's package `prometheus` has it) reads them as Prometheus does; .ci/run unpacks it.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.pages import read
from tests.metrics.test_metrics import daemon_of
from tests.metrics.test_metrics_page import names_with_labels

ROOT = Path(__file__).parents[2]
PROMETHEUS, GRAFANA = ROOT / "deploy/prometheus", ROOT / "deploy/grafana"
ALERTS: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"][
    0
]["rules"]
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "inbox-watcher.json").read_text())

PROMTOOL = shutil.which("promtool")
with_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="no promtool: it is in Debian's package `prometheus`"
)

OURS = re.compile(r"\b(inbox_watcher_[a-z_]+)(?:\{([^}]*)\})?")
LABEL = re.compile(r"(\w+)=~?\"")


def promtool(*words: str | Path, given: bytes | None = None) -> str:
    """Return what promtool says; fail where it fails."""
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, *map(str, words)], input=given, capture_output=True, check=False, timeout=120
    )
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def expressions() -> Iterator[tuple[str, str]]:
    """Yield the expressions of panels, annotations and variables, each with where it stands."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for one in DASHBOARD["annotations"]["list"]:
        yield one["name"], one["expr"]


# What they ask for


async def test_alerts_and_panels_ask_for_metrics_and_labels_that_exist(tmp_path: Path) -> None:
    real = await names_with_labels(tmp_path)
    asked = [*expressions(), *((one["alert"], one["expr"]) for one in ALERTS)]
    assert len(asked) > 35
    for where, expr in asked:
        for name, selector in OURS.findall(expr):
            base = re.sub(r"_(bucket|count|sum)$", "", name) if name not in real else name
            assert base in real, (where, name)
            labels = set(LABEL.findall(selector)) - {"instance", "job", "le"}
            assert labels <= real[base], (where, name, labels - real[base])


def test_every_alert_leads_to_a_heading_of_the_operations_page() -> None:
    headings = {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
        for line in read("operations.md").splitlines()
        if line.startswith("#")
    }
    assert len(ALERTS) == 12
    for one in ALERTS:
        page, _, anchor = one["annotations"]["runbook_url"].partition("#")
        assert page.endswith("/docs/operations.md")
        assert anchor in headings
        assert one["annotations"]["summary"]
        assert one["annotations"]["description"]
        assert one["labels"]["severity"] in ("warning", "critical")


def test_every_alert_is_tried_firing_and_silent() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts.test.yaml").read_text())["tests"]
    tried: dict[str, set[bool]] = {}
    for test in tests:
        for one in test["alert_rule_test"]:
            tried.setdefault(one["alertname"], set()).add(bool(one["exp_alerts"]))
    assert tried == {one["alert"]: {True, False} for one in ALERTS}


# As Prometheus reads them


@with_promtool
def test_alerts_fire_and_stay_silent_as_they_should() -> None:
    assert "12 rules found" in promtool("check", "rules", PROMETHEUS / "alerts.yaml")
    assert "SUCCESS" in promtool("test", "rules", PROMETHEUS / "alerts.test.yaml")


@with_promtool
async def test_the_text_has_no_fault_that_promtool_knows(tmp_path: Path) -> None:
    async with daemon_of(tmp_path, 3) as daemon:
        text = await daemon.scrape.text()
    own = b"".join(
        line + b"\n"
        for line in text.splitlines()
        if b"inbox_watcher_" in line.partition(b"{")[0] or line.startswith(b"#")
    )
    said = promtool("check", "metrics", given=own)
    # Of what Python's own collectors are called, others have decided.
    assert [line for line in said.splitlines() if line.startswith("inbox_watcher_")] == []


@with_promtool
def test_every_expression_of_the_dashboard_can_be_read(tmp_path: Path) -> None:
    rules = [
        {"record": f"panel:{number}", "expr": expr.replace("$__rate_interval", "5m")}
        for number, (_where, expr) in enumerate(expressions())
    ]
    file = tmp_path / "panels.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", file)


# The dashboard


def test_the_dashboard_is_what_its_script_writes() -> None:
    spec = importlib.util.spec_from_file_location("dashboard", GRAFANA / "dashboard.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.dashboard() == DASHBOARD


def test_the_dashboard_has_its_rows_variables_and_nothing_on_top_of_each_other() -> None:
    rows = [one["title"] for one in DASHBOARD["panels"] if one["type"] == "row"]
    assert rows == ["Is it good?", "What happens", "Receivers", "Providers", "The machine"]
    names = [one["name"] for one in DASHBOARD["templating"]["list"]]
    assert names == ["datasource", "instance", "provider", "source"]
    taken: set[tuple[int, int]] = set()
    for one in DASHBOARD["panels"]:
        at = one["gridPos"]
        across, down = range(at["x"], at["x"] + at["w"]), range(at["y"], at["y"] + at["h"])
        cells = {*itertools.product(across, down)}
        assert not cells & taken, one["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({one["id"] for one in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
