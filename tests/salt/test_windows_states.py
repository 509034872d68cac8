"""
What the formula does on Windows, as far as Linux can tell: a minion that calls itself Windows, with stand-ins for
``netsh`` and the service control manager (support/), and an agent that knows ``service install``.
"""

import json
import re
from xml.etree import ElementTree

import pytest
import yaml
from conftest import ROOT, Minion, changed, failed

#: `narrows-agent service install` registers with the stand-in for the service manager; the rest is the real agent's.
AGENT = """#!/bin/sh
case "$1 $2" in
"service install") echo "ExecStart=$0 run --config $4" >"{units}/narrows-agent.service" && echo install >>"{units}/said" ;;
"service uninstall") rm "{units}/narrows-agent.service" && echo uninstall >>"{units}/said" ;;
*) exec "{agent}" "$@" ;;
esac
"""
OTHERS = {"Core Networking - DNS": 53, "My  Narrows agent (TCP 1) of old": 1, "Another: Narrows agent (UDP 6881)": 6881}


@pytest.fixture
def windows(tmp_path, programs, salt_modules):
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps(OTHERS))
    minion = Minion(tmp_path / "minion", programs, salt_modules, netsh_rules=str(rules), grains={"os_family": "Windows"})
    minion.rules = rules
    minion.pillar["lookup"]["agent"].update(unit=None, group=None)
    program = minion.root / "narrows-agent.sh"
    program.write_text(AGENT.format(units=minion.units, agent=programs / "narrows-agent"))
    minion.pillar["agent"]["source"] = str(program)
    # Windows knows no mode of a file; here, one that is replaced keeps its own
    (minion.root / "bin").mkdir()
    (minion.root / "bin/narrows-agent").touch(0o755)
    yield minion
    minion.stop()


def ours(minion):
    rules = json.loads(minion.rules.read_text())
    assert {rule: rules.pop(rule) for rule in OTHERS} == OTHERS, "rules of others are none of our business"
    return rules


def installs(minion):
    return (minion.units / "said").read_text().split()


def test_the_agent_becomes_a_service_whose_port_is_open_and_then_nothing_changes(windows):
    would = windows.apply("narrows", test=True)
    assert not failed(would), failed(would)
    assert would["narrows-agent-firewall"]["result"] is None and ours(windows) == {}
    states = windows.apply("narrows")
    assert not failed(states), failed(states)
    assert windows.status()["id"] == "client-1"
    assert ours(windows) == {f"Narrows agent (TCP {windows.listen})": windows.listen}
    again = windows.apply("narrows")
    assert not failed(again) and not changed(again), (failed(again), changed(again))
    assert not any(state["result"] is None for state in windows.apply("narrows", test=True).values())
    assert installs(windows) == ["install"], "a service that is there is not installed again"


def test_a_program_that_runs_is_stopped_before_another_replaces_it(windows):
    windows.apply("narrows")
    pid = (windows.units / "narrows-agent.pid").read_text()
    source = windows.root / "narrows-agent.sh"
    source.write_text(source.read_text() + "# another\n")
    states = windows.apply("narrows")
    assert not failed(states), failed(states)
    assert states["narrows-agent-package-service-dead"]["changes"]
    assert (windows.units / "narrows-agent.pid").read_text() != pid and windows.status()["id"] == "client-1"


def test_the_rule_follows_the_listen_address_and_those_of_former_ports_go(windows):
    windows.rules.write_text(json.dumps({**OTHERS, "Narrows agent (TCP 6881)": 6881, "Narrows agent (TCP 7000)": 7000}))
    assert not failed(windows.apply("narrows"))
    assert set(ours(windows).values()) == {windows.listen}
    windows.pillar["agent"]["config"]["listen"] = "[::1]:7001"
    states = windows.apply("narrows.agent.firewall")
    assert not failed(states), failed(states)
    assert ours(windows) == {"Narrows agent (TCP 7001)": 7001}
    del windows.pillar["agent"]["config"]["listen"]
    windows.apply("narrows.agent.firewall")
    assert ours(windows) == {"Narrows agent (TCP 6881)": 6881}


def test_a_configuration_that_the_agent_refuses_leaves_the_open_port_as_it_was(windows):
    windows.apply("narrows")
    before = ours(windows)
    assert before
    windows.pillar["agent"]["config"]["listen"] = "nowhere"
    assert "narrows-agent-config-file-managed" in failed(windows.apply("narrows"))
    assert ours(windows) == before


def test_an_agent_that_shall_not_run_has_no_port_open(windows):
    windows.apply("narrows")
    windows.pillar["agent"]["active"] = False
    states = windows.apply("narrows")
    assert not failed(states), failed(states)
    assert ours(windows) == {} and not windows.call("service.status", "narrows-agent")


def test_with_firewall_false_group_policy_is_left_alone(windows):
    windows.pillar["agent"]["firewall"] = False
    windows.rules.with_name("rules.json.refuses").touch()
    states = windows.apply("narrows")
    assert not failed(states) and "narrows-agent-firewall" not in states, failed(states)


@pytest.mark.parametrize(("how", "said"), [("refuses", "erhöhte Rechte. If group policy"), ("forgets", "no rule of ours instead of")])
def test_a_port_that_stays_closed_is_a_failure_and_the_agent_runs_all_the_same(windows, how, said):
    windows.rules.with_name(f"rules.json.{how}").touch()
    states = windows.apply("narrows")
    assert set(failed(states)) == {"narrows-agent-firewall"}
    assert said in failed(states)["narrows-agent-firewall"] and not states["narrows-agent-firewall"]["changes"]
    assert windows.status()["id"] == "client-1"


def test_clean_removes_the_rule_and_the_service_and_finds_nothing_the_second_time(windows):
    windows.apply("narrows")
    states = windows.apply("narrows.agent.clean")
    assert not failed(states), failed(states)
    assert ours(windows) == {} and installs(windows) == ["install", "uninstall"]
    for place in ("conf/agent.yaml", "state", "bin/narrows-agent"):
        assert not (windows.root / place).exists(), place
    again = windows.apply("narrows.agent.clean")
    assert not failed(again) and not changed(again), (failed(again), changed(again))
    assert not any(state["result"] is None for state in windows.apply("narrows.agent.clean", test=True).values())


def test_a_package_brings_its_service_anew_and_it_is_completed_each_time(windows):
    del windows.pillar["agent"]["source"]
    windows.pillar["agent"].update(package="narrows-agent", version="0.1.0")

    def service_unit():
        rendered = windows.call("state.show_sls", "narrows.agent.service")
        assert "installed" in rendered["narrows-agent-package-installed"]["pkg"]
        return rendered["narrows-agent-service-unit"]["cmd"]

    assert not any("onchanges" in part for part in service_unit()), "it is not there yet"
    (windows.units / "narrows-agent.service").touch()
    assert {"onchanges": ["narrows-agent-package-installed"]} in service_unit()


def test_winrepo_names_the_package_as_the_msi_does_and_has_the_version_of_this_source():
    package = yaml.safe_load((ROOT / "salt/win/repo-ng/narrows-agent/init.sls").read_text())["narrows-agent"]
    product = ElementTree.parse(ROOT / "agent/windows/narrows-agent.wxs").getroot()[0]
    # else Salt does not find in the registry what it has installed
    assert {version["full_name"] for version in package.values()} == {product.get("Name")}
    version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    assert package[version]["installer"].endswith(f"/narrows-agent/narrows-agent-{version}.msi")
