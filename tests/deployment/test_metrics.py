"""Prometheus scrapes every replica; what the dashboard and the alerts ask for is there."""

import json
import re
import urllib.parse
from contextlib import suppress
from typing import Any

import httpx
import pytest
import yaml
from deployed import Deployed, wait_for
from engine import ROOT

DASHBOARD = json.loads((ROOT / "docker/grafana/cskt.json").read_text())
EXPRESSIONS = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
MAY_BE_EMPTY = {"cskt_refusals_total"}  # nobody has been refused yet


def ask(deployed: Deployed, path: str, **query: str) -> dict:
    """The data of an answer of Prometheus."""
    url = f"http://127.0.0.1:9090/api/v1/{path}?{urllib.parse.urlencode(query)}"
    code = f"import urllib.request; print(urllib.request.urlopen({url!r}).read().decode())"
    answer = json.loads(deployed.engine.inside(deployed.container("prometheus"), "python3", "-c", code))
    assert answer["status"] == "success"
    return answer["data"]


@pytest.fixture(scope="module")
def scraped(deployed):
    """The deployment, searched and scraped more than once."""
    for number in range(5):
        deployed.search(f"a man in a coat {number}")

    def twice() -> bool:
        seen = [
            ask(deployed, "query", query=f"min(count_over_time({series}[1m]))")["result"]
            for series in ("cskt_ready", 'cskt_request_seconds_count{operation="search"}')
        ]
        return all(found and float(found[0]["value"][1]) >= 2 for found in seen)

    wait_for(twice, "Prometheus to scrape twice")
    deployed.search("a last man in a coat")
    return deployed


def test_every_replica_is_scraped_with_the_key_for_it(scraped):
    targets = ask(scraped, "targets")["activeTargets"]
    assert len(targets) == len(scraped.replicas()) == 2
    assert {target["health"] for target in targets} == {"up"}, targets


def test_the_alerts_are_loaded_and_quiet(scraped):
    groups = ask(scraped, "rules")["groups"]
    rules = {rule["name"]: rule for group in groups for rule in group["rules"]}
    written = yaml.safe_load((ROOT / "docker/prometheus/alerts.yml").read_text())
    assert set(rules) == {rule["alert"] for group in written["groups"] for rule in group["rules"]}
    assert {rule["health"] for rule in rules.values()} <= {"ok", "unknown"}

    def firing() -> list[str]:  # what other tests stopped may still be missed
        alerts = ask(scraped, "alerts")["alerts"]
        return [alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"]

    with suppress(TimeoutError):
        wait_for(lambda: not firing(), "the alerts to be quiet")
    assert firing() == []


def grafana(deployed: Deployed, path: str, **query: str) -> Any:
    """What stands in Grafana's place answers to its administrator."""
    password = (deployed.folder / "secrets/grafana_password").read_text()
    url = f"http://127.0.0.1:{deployed.grafana_port}/api/{path}"
    return httpx.get(url, params=query, auth=("admin", password), trust_env=False).raise_for_status().json()


def test_grafana_is_given_all_it_needs(scraped):
    """Files that its user can read, its volume, its password, and the dashboard; nobody else gets in."""
    assert grafana(scraped, "dashboards/uid/cskt")["dashboard"] == DASHBOARD
    assert [one["type"] for one in grafana(scraped, "datasources")] == ["prometheus"]
    kept = scraped.engine.inside(scraped.container("grafana"), "cat", "/var/lib/grafana/grafana.db")
    assert kept == "what it keeps"
    stranger = httpx.get(f"http://127.0.0.1:{scraped.grafana_port}/api/datasources", trust_env=False)
    assert stranger.status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_panel_of_the_dashboard_shows_something(scraped, expression):
    """Asked as Grafana asks: through the source of data that it is given."""
    source = grafana(scraped, "datasources")[0]["uid"]
    query = expression.replace("$__rate_interval", "1m")
    answer = grafana(scraped, f"datasources/proxy/uid/{source}/api/v1/query", query=query)
    result = answer["data"]["result"]
    metrics = set(re.findall(r"\b(?:cskt|process)_\w+", expression))
    assert metrics
    assert result or metrics <= MAY_BE_EMPTY


def test_the_wait_that_the_chart_scales_by_is_measured(scraped):
    """The rule for the metrics adapter in the chart's README, as the adapter fills it in."""
    rule = re.search(r"metricsQuery: \|\n(.*?)\n\n", (ROOT / "docker/chart/README.md").read_text(), re.DOTALL)
    query = rule[1].replace("<<.GroupBy>>", "instance").replace(",<<.LabelMatchers>>", "")

    def measured() -> bool:
        scraped.search("somebody in a hurry")
        waits = [float(one["value"][1]) for one in ask(scraped, "query", query=query)["result"]]
        return bool(waits) and all(0 <= wait < 10 for wait in waits)

    wait_for(measured, "a search to be counted", seconds=60)
