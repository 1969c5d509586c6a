"""Writes deploy/grafana/inbox-watcher.json: `python deploy/grafana/dashboard.py`; a test compares them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

W = "inbox_watcher_"
I = 'instance=~"$instance"'  # noqa: E741 - the selector of all expressions
P = f'{I}, provider=~"$provider"'
S = f'{P}, source=~"$source"'
RANGE = "[$__rate_interval]"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}

Query = tuple[str, str]
"""An expression, and how its series are called."""


def quantiles(name: str, selector: str, by: str) -> list[Query]:
    """Return the median, the ninth decile and the last percentile of a histogram."""
    rates = f"sum by (le, {by}) (rate({W}{name}_bucket{{{selector}}}{RANGE}))"
    return [
        (f"histogram_quantile({q}, {rates})", f"p{round(q * 100)} {{{{{by}}}}}")
        for q in (0.5, 0.9, 0.99)
    ]


def total(name: str, selector: str, by: str) -> list[Query]:
    """Return how often something happens in an hour."""
    legend = " ".join(f"{{{{{one}}}}}" for one in by.split(", "))
    return [(f"sum by ({by}) (rate({W}{name}_total{{{selector}}}{RANGE})) * 3600", legend)]


ROWS: list[tuple[str, list[tuple[str, str, str, list[Query]]]]] = [
    (
        "Is it good?",
        [
            ("Sources by state", "stat", "short",
             [(f"sum by (state) ({W}sources{{{P}}})", "{{state}}")]),
            ("Who waits longest", "timeseries", "s",
             [(f"topk(5, {W}source_oldest_wait_seconds{{{S}}})", "{{source}}")]),
            ("Seen: from a message to its event", "timeseries", "s",
             quantiles("message_detection_seconds", P, "provider")),
            ("Told: from an event to a receiver's yes", "timeseries", "s",
             quantiles("told_seconds", I, "receiver_type")),
            ("Given up", "stat", "short",
             [(f"sum by (receiver) ({W}deliveries_dead{{{I}}})", "{{receiver}}")]),
        ],
    ),
    (
        "What happens",
        [
            ("Events an hour, by type", "timeseries", "short", total("events", P, "type")),
            ("Matches an hour, by rule", "timeseries", "short", total("rule_matches", I, "rule")),
            ("Held back an hour, and why", "timeseries", "short",
             total("deliveries_guarded", I, "receiver, why")),
            ("Rules and templates that fail, an hour", "timeseries", "short",
             [*total("rule_errors", I, "rule"), *total("template_errors", I, "rule")]),
        ],
    ),
    (
        "Receivers",
        [
            ("Attempts an hour", "timeseries", "short",
             total("delivery_attempts", I, "receiver, outcome")),
            ("Deliveries that ended, an hour", "timeseries", "short",
             total("deliveries", I, "receiver, state")),
            ("What waits, and for what", "timeseries", "short",
             [(f"sum by (receiver, reason) ({W}deliveries_pending{{{I}}}) > 0", "{{receiver}} {{reason}}")]),
            ("Oldest that is due", "timeseries", "s",
             [(f"{W}deliveries_oldest_due_seconds{{{I}}}", "{{receiver}}")]),
            ("Time of an attempt", "timeseries", "s",
             quantiles("delivery_attempt_duration_seconds", I, "receiver_type")),
        ],
    ),
    (
        "Providers",
        [
            ("Requests an hour", "timeseries", "short", total("requests", P, "provider, motion, outcome")),
            ("Time of a request", "timeseries", "s", quantiles("request_duration_seconds", P, "provider")),
            ("Planned, used and allowed requests a second", "timeseries", "reqps",
             [(f"sum by (provider) ({W}source_planned_requests_per_second{{{S}}})", "planned {{provider}}"),
              (f"sum by (provider) (rate({W}requests_total{{{P}}}{RANGE}))", "used {{provider}}"),
              (f"max by (provider) ({W}source_limit_requests_per_second{{{S}}})", "limit {{provider}}")]),
            ("Waiting for the limit, share of the time", "timeseries", "percentunit",
             [(f"topk(5, rate({W}source_budget_wait_seconds_total{{{S}}}{RANGE}))", "{{source}}")]),
            ("Time of a complete sweep", "timeseries", "s",
             quantiles("sweep_duration_seconds", P, "provider")),
        ],
    ),
    (
        "The machine",
        [
            ("How late the event loop is", "timeseries", "s", quantiles("loop_delay_seconds", I, "instance")),
            ("Time of a write", "timeseries", "s", quantiles("store_commit_duration_seconds", I, "instance")),
            ("Size of the store, free on its disk", "timeseries", "bytes",
             [(f"{W}store_size_bytes{{{I}}}", "{{file}}"), (f"{W}disk_free_bytes{{{I}}}", "free")]),
            ("Memory", "timeseries", "bytes", [(f"process_resident_memory_bytes{{{I}}}", "{{instance}}")]),
            ("CPU, seconds a second", "timeseries", "percentunit",
             [(f"rate(process_cpu_seconds_total{{{I}}}{RANGE})", "{{instance}}")]),
            ("Our own pages and API, requests an hour", "timeseries", "short",
             total("http_requests", I, "route, code")),
        ],
    ),
]  # fmt: skip


def panel(
    number: int, x: int, y: int, described: tuple[str, str, str, list[Query]]
) -> dict[str, Any]:
    """Return a panel at a column and a line."""
    title, kind, unit, queries = described
    return {
        "id": number,
        "type": kind,
        "title": title,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": 8, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + n), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
            for n, (expr, legend) in enumerate(queries)
        ],
    }


def panels() -> list[dict[str, Any]]:
    """Return all rows with their panels, three beside each other."""
    found: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS:
        head = {
            "id": len(found) + 1,
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
        }
        found.append({**head, "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})
        y += 1
        for n, one in enumerate(row):
            found.append(panel(len(found) + 1, 8 * (n % 3), y + 8 * (n // 3), one))
        y += 8 * -(-len(row) // 3)
    return found


def variable(name: str, query: str, label: str) -> dict[str, Any]:
    """Return a variable whose values are those of a label."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def annotation(name: str, expr: str, colour: str) -> dict[str, Any]:
    """Return marks at the times when an expression is true."""
    return {
        "name": name, "enable": True, "iconColor": colour, "datasource": SOURCE, "expr": expr,
        "step": "60s", "titleFormat": name, "textFormat": "{{source}}",
    }  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "title": "inbox-watcher",
        "uid": "inbox-watcher",
        "tags": ["inbox-watcher"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
                variable("instance", f"label_values({W}build_info, instance)", "Instance"),
                variable("provider", f"label_values({W}sources{{{I}}}, provider)", "Provider"),
                variable("source", f"label_values({W}source_info{{{P}}}, source)", "Source"),
            ]
        },
        "annotations": {
            "list": [
                annotation(
                    "Configuration taken up",
                    f"changes({W}config_last_reload_success_timestamp_seconds{{{I}}}[2m]) > 0",
                    "blue",
                ),
                annotation("Sweep held", f"{W}source_held{{{S}}} == 1", "orange"),
            ]
        },
        "panels": panels(),
    }  # fmt: skip


if __name__ == "__main__":
    text = json.dumps(dashboard(), indent=1) + "\n"
    Path(__file__).with_name("inbox-watcher.json").write_text(text, encoding="utf-8")
