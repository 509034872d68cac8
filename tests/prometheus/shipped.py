"""
What tracker/prometheus ships, as plain data: the tables of its README, rules and their tests, the dashboard's queries.
"""

import dataclasses
import json
import pathlib
import re

import yaml

SHIPPED = pathlib.Path(__file__).resolve().parents[2] / "tracker/prometheus"

# what Prometheus itself adds
ITS_OWN = {"up", "ALERTS"}


@dataclasses.dataclass(frozen=True)
class Metric:
    """
    A row of the table of metrics.
    """

    name: str
    type: str
    unit: str
    labels: frozenset
    alert: str

    def series(self):
        """
        The names under which Prometheus stores it.
        """
        if self.type == "histogram":
            return {f"{self.name}_{part}" for part in ("bucket", "sum", "count")}
        return {self.name}


def _rows(head):
    """
    The cells of every table in the README that begins with these columns.
    """
    lines = (SHIPPED / "README.md").read_text().splitlines()
    inside = False
    for line in lines:
        if line.startswith(head):
            inside = True
        elif not line.startswith("|"):
            inside = False
        elif inside and not line.startswith("|---"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def metrics():
    """
    The table of metrics by name.
    """
    found = {}
    for name, kind, unit, labels, meaning, alert in _rows("| name | type |"):
        name = name.strip("`")
        assert name not in found, f"{name} is twice in the table"
        assert meaning and unit, f"{name}: no meaning or unit"
        found[name] = Metric(name, kind, unit, frozenset(filter(None, labels.split(", "))), alert)
    return found


def alert_table():
    """
    Severity by alert, as the README has it.
    """
    return {name: severity for name, severity, _ in _rows("| alert | severity |")}


def rules():
    """
    Every rule, alert or record.
    """
    document = yaml.safe_load((SHIPPED / "rules/narrows.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts():
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def records():
    return {rule["record"]: rule for rule in rules() if "record" in rule}


def rule_tests():
    """
    Every test of the files for promtool.
    """
    files = sorted((SHIPPED / "rules").glob("*_test.yml"))
    return [test for file in files for test in yaml.safe_load(file.read_text())["tests"]]


def dashboard():
    return json.loads((SHIPPED / "dashboard/narrows.json").read_text())


def panels():
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries():
    """
    (panel's title, query) of the whole dashboard.
    """
    found = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    return found + [(note["name"], note["expr"]) for note in dashboard()["annotations"]["list"] if "expr" in note]


def names(text):
    """
    The metrics and recorded series that an expression or a template speaks of.
    """
    return set(re.findall(r"\b(?:[a-z_]+:)?narrows_(?:tracker|agent)_\w+(?::\w+)?", text))


def all_names(text):
    """
    The same with what the recorded ones are made of.
    """
    found, recorded = names(text), records()
    for name in list(found):
        if name in recorded:
            found |= all_names(recorded[name]["expr"])
    return found
