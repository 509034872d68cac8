"""
Rules, dashboard and documentation speak of metrics that exist, and of all of them. Whether tracker and agent expose them
is seen in test_live.
"""

import json
import re

import pytest
import shipped
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

METRICS = shipped.metrics()
STORED = {series for metric in METRICS.values() for series in metric.series()}
RECORDS = shipped.records()
ALERTS = shipped.alerts()


def known(text):
    return shipped.names(text) - STORED - set(RECORDS)


@pytest.mark.parametrize("rule", shipped.rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_uses_documented_metrics_alone(rule):
    text = " ".join([rule["expr"], *rule.get("annotations", {}).values()])
    assert shipped.names(text) or "up{" in text
    # a runbook may name one without its prefix
    assert not known(text)


@pytest.mark.parametrize("title, query", shipped.queries())
def test_a_query_of_the_dashboard_uses_documented_metrics_alone(title, query):
    assert shipped.names(query) or any(f"{own}{{" in query for own in shipped.ITS_OWN), title
    assert not known(query), title


def test_every_metric_is_of_use_in_a_rule_or_on_the_dashboard():
    # on each agent's own page, and in rates and counts that others give
    spared = {
        "narrows_tracker_moved_agents_total",
        "narrows_tracker_completions_total",
        "narrows_tracker_link_used_bytes_per_second",
        "narrows_tracker_expired_peers_total",
        "narrows_tracker_reused_bytes",
        "narrows_tracker_site_map_reloads_total",
        "narrows_agent_content_bytes",
        "narrows_agent_content_done_bytes",
        "narrows_agent_sent_bytes_total",
        "narrows_agent_receive_bytes_per_second",
        "narrows_agent_send_bytes_per_second",
        "narrows_agent_peers",
        "narrows_agent_unreachable_peers",
        "narrows_agent_pieces_healed_total",
        "narrows_agent_verified_timestamp_seconds",
    }
    used = set()
    for text in [query for _, query in shipped.queries()] + [rule["expr"] for rule in shipped.rules()]:
        used |= shipped.all_names(text)
    unused = {metric.name for metric in METRICS.values() if not metric.series() & used}
    assert unused == spared


def test_every_recorded_series_is_used():
    texts = [query for _, query in shipped.queries()]
    for rule in shipped.rules():
        texts += [rule["expr"], *rule.get("annotations", {}).values()]
    used = set().union(*map(shipped.names, texts))
    assert set(RECORDS) - used == {"content:narrows_tracker_link_bytes:rate5m"}


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_wrong_where_and_what_to_do(name):
    rule = ALERTS[name]
    assert name.startswith("Narrows")
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"]["severity"] in ("critical", "warning", "info")
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert "$labels." in rule["annotations"]["summary"], "it does not say where"


def test_the_readme_lists_every_alert_with_its_severity():
    assert shipped.alert_table() == {name: rule["labels"]["severity"] for name, rule in ALERTS.items()}


def test_an_alert_that_the_table_of_metrics_names_looks_at_that_metric():
    named = [metric for metric in METRICS.values() if metric.alert]
    assert named
    for metric in named:
        alert = metric.alert.split(":")[0]
        assert alert in ALERTS, metric.name
        assert metric.name in shipped.all_names(ALERTS[alert]["expr"]), f"{alert} does not look at {metric.name}"
    without = set(ALERTS) - {metric.alert.split(":")[0] for metric in named}
    assert without == {"NarrowsTrackerDown"}, "not in the table of metrics"


def test_every_alert_is_tested_firing_and_not_firing():
    fires, rests = set(), set()
    for test in shipped.rule_tests():
        for case in test.get("alert_rule_test", []):
            (fires if case["exp_alerts"] else rests).add(case["alertname"])
    assert fires == rests == set(ALERTS)


def test_every_recorded_series_has_its_value_tested():
    tested = set()
    for test in shipped.rule_tests():
        for case in test.get("promql_expr_test", []):
            assert case["exp_samples"], case
            tested |= shipped.names(case["expr"])
    assert tested == set(RECORDS)


def test_the_dashboard_is_sound():
    dashboard, panels = shipped.dashboard(), shipped.dashboard()["panels"]
    assert dashboard["schemaVersion"] >= 39
    identifiers = [panel["id"] for panel in panels]
    assert len(set(identifiers)) == len(identifiers)
    places = set()
    for panel in panels:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places, f"{panel['title']} lies on another panel"
        places |= cells
    variables = {variable["name"] for variable in dashboard["templating"]["list"]}
    assert variables == {"datasource", "content", "site"}
    for panel in shipped.panels():
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            used = set(re.findall(r"\$\{?(\w+)", target["expr"] + target["legendFormat"]))
            assert used <= variables | {"__rate_interval"}, panel["title"]


def test_grafanas_own_types_know_every_field_of_the_dashboard():
    register_default_plugins()
    ours = shipped.dashboard()
    theirs = json.loads(JSONEncoder().encode(Dashboard.from_json(shipped.dashboard())))
    # what Grafana itself writes and its types lack
    spared = {"definition", "titleFormat", "step"}
    assert {place for place in unknown(ours, theirs) if place.rsplit(".")[-1] not in spared} == set()


def unknown(ours, theirs, place=""):
    """
    The places in `ours` that `theirs` lacks or has otherwise; what is empty may be left out.
    """
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            if key in theirs:
                yield from unknown(value, theirs[key], f"{place}.{key}")
            elif value not in (None, False, "", [], {}):
                yield f"{place}.{key}"
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for number, pair in enumerate(zip(ours, theirs)):
            yield from unknown(*pair, f"{place}[{number}]")
    elif ours != theirs:
        yield place
