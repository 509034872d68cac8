"""
What a real Prometheus stored of a real rollout, in which a gateway was killed and the seeders were away for a while.
"""

import re
import subprocess

import pytest
import shipped
from conftest import AWAITED, WHOLE


def test_the_rollout_was_what_it_was_to_be(run):
    assert run.lab["ok"]
    happened = " ".join(event["what"] for event in run.lab["events"])
    assert "killed b1-" in happened and "the gateway" in happened
    assert "nothing happened for" not in happened


def test_prometheus_finds_the_tracker_and_through_it_every_agent_with_site_and_id(run):
    assert all(target["health"] == "up" for target in run.targets), run.targets
    labels = [target["labels"] for target in run.targets]
    agents = {(one["site"], one["id"]) for one in labels if one["job"] == "narrows-agent"}
    assert agents == {(agent["site"], agent["id"]) for agent in run.lab["agents"]}
    assert [one["job"] for one in labels].count("narrows-tracker") == 1
    assert len(labels) == len(agents) + 1


@pytest.mark.parametrize("who", ["tracker", "agent"])
def test_promtool_finds_nothing_to_say_of_the_metrics(run, who):
    checked = subprocess.run(["promtool", "check", "metrics"], input=run.exposed[who], text=True, capture_output=True)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@pytest.mark.parametrize("who", ["tracker", "agent"])
def test_the_table_has_every_metric_that_is_exposed_with_its_type_and_no_other(run, who):
    exposed = dict(re.findall(r"^# TYPE (\S+) (\S+)$", run.exposed[who], re.M))
    documented = {metric.name: metric.type for metric in shipped.metrics().values() if metric.name.startswith(f"narrows_{who}_")}
    assert exposed == documented


@pytest.mark.parametrize("metric", shipped.metrics().values(), ids=lambda metric: metric.name)
def test_a_metric_has_the_labels_that_the_table_says(run, metric):
    added = {"__name__", "job", "instance", "le"} | ({"site", "id"} if metric.name.startswith("narrows_agent_") else set())
    for name in metric.series():
        found = run.prometheus.ask("series", **{"match[]": name})
        assert found, f"{name} was not stored"
        assert {frozenset(set(series) - added) for series in found} == {metric.labels}


def test_bytes_per_link_and_direction_are_those_that_the_lab_counted(run):
    stored = {
        (labels["link"], labels["site"]): value
        for labels, value in run.prometheus.query(f"sum by (link, site) (last_over_time(narrows_tracker_link_bytes_total[{WHOLE}]))")
    }
    for link in run.lab["links"]:
        told, counted = stored.pop((link["link"], link["to"]), 0), link["bytes"]
        # of what the link carried both ways: when a site changes its source, agents say what came from where, and the lab
        # books a moment's bytes by where the tracker lets them fetch
        margin = 0.02 * sum(other["bytes"] for other in run.lab["links"] if other["link"] == link["link"])
        assert told == pytest.approx(counted, abs=margin), f"{link['link']} towards {link['to']}"
    assert not any(stored.values()), "the tracker has a direction that the lab has not"


def test_size_copies_and_time_are_those_of_the_lab(run):
    def last(name, by):
        found = run.prometheus.query(f"max by ({by}) (last_over_time({name}[{WHOLE}]))")
        assert found, f"{name} was not stored"
        return {labels.get(by): value for labels, value in found}

    size = run.lab["size"]
    assert last("narrows_tracker_content_bytes", "content") == {"rollout": size}
    assert set(last("narrows_tracker_rollout_complete_ratio", "site").values()) == {1}
    assert last("narrows_tracker_rollout_waiting_sites", "content") == {"rollout": 0}
    assert last("narrows_tracker_rollout_bound_seconds", "content") == {"rollout": 0}
    told, copies = last("narrows_tracker_link_bytes_total", "link"), last("narrows_tracker_link_copies", "link")
    assert copies == pytest.approx({link: told[link] / size for link in copies}, rel=0.001)
    # Prometheus began a few seconds after the clients, so the first bound is of what was lacking then
    [(_, bounds)] = run.prometheus.samples("narrows_tracker_rollout_bound_seconds")
    at, first = next((at, value) for at, value in bounds if value > 0)
    arrived = [value for labels, value in run.prometheus.query("narrows_tracker_site_wan_bytes", time=at) if labels["site"] != "hq"]
    assert first == pytest.approx(run.lab["bound_seconds"] * (1 - min(arrived) / size), rel=0.1)


@pytest.mark.parametrize("title, query", shipped.queries())
def test_a_query_of_the_dashboard_has_data(run, title, query):
    for variable, value in {"$content": ".*", "$site": ".*", "$__rate_interval": "1m"}.items():
        query = query.replace(variable, value)
    found = run.prometheus.over_time(query)
    values = {float(value) for series in found for _, value in series["values"]}
    assert values - {float("nan")}, f"{title}: {query}"


def test_the_dashboards_variables_offer_every_content_and_site(run):
    offered = {}
    for variable in shipped.dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            assert variable["query"]["query"] == variable["definition"]
            selector, label = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"]).groups()
            match = selector.replace("$content", ".*")
            offered[variable["name"]] = set(run.prometheus.ask(f"label/{label}/values", **{"match[]": match}))
    assert offered == {"content": {"rollout"}, "site": {"hq", "b1", "b2"}}


def test_the_awaited_alerts_fired_and_were_resolved_and_no_other_fired(run):
    fired = {labels["alertname"] for labels, _ in run.prometheus.query(f'max_over_time(ALERTS{{alertstate="firing"}}[{WHOLE}])')}
    assert fired == set(AWAITED)
    # the fixture has awaited their end


def test_every_rule_was_evaluated_without_an_error(run):
    rules = [rule for group in run.rules for rule in group["rules"]]
    assert len(rules) == len(shipped.rules())
    assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
