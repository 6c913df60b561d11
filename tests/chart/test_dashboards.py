"""The dashboards are what their tables say, and ask what Prometheus understands."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from devstack.dashboards.dashboard import written
from devstack.prometheus import PROMTOOL, WHY, WITHOUT
from devstack.promql import chosen, dashboard_queries, metrics_in

CHART = Path(__file__).parents[2] / "charts/smartcity"
FOLDER = CHART / "dashboards"
NAMES = ("business", "events", "monitoring", "platform", "service")


def panels(name: str) -> list[Any]:
    read = json.loads((FOLDER / f"{name}.json").read_text())
    return [panel for panel in read["panels"] if panel["type"] != "row"]


def test_the_dashboards_are_those_of_the_tables() -> None:
    """`python -m devstack.dashboards charts/smartcity/dashboards` writes them anew."""
    assert {path.name: path.read_text() for path in FOLDER.iterdir()} == written()
    assert tuple(sorted(name.removesuffix(".json") for name in written())) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_keeps_its_address_and_takes_any_datasource(name: str) -> None:
    read = json.loads((FOLDER / f"{name}.json").read_text())
    assert read["uid"] == f"smartcity-{name}"
    assert read["templating"]["list"][0]["type"] == "datasource"
    sources = {json.dumps(target["datasource"]) for p in panels(name) for target in p["targets"]}
    assert sources == {json.dumps({"type": "prometheus", "uid": "${datasource}"})}
    ids = [panel["id"] for panel in read["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_shows_in_which_unit_and_none_lies_on_another(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(name):
        assert panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert all(target["legendFormat"] for target in panel["targets"])
        place = panel["gridPos"]
        across = range(place["x"], place["x"] + place["w"])
        down = range(place["y"], place["y"] + place["h"])
        cells = {(x, y) for x in across for y in down}
        assert not cells & taken
        assert max(across) < 24
        taken |= cells


@pytest.mark.parametrize("name", NAMES)
def test_a_query_uses_no_variable_that_its_dashboard_lacks(name: str) -> None:
    read = json.loads((FOLDER / f"{name}.json").read_text())
    has = {variable["name"] for variable in read["templating"]["list"]}
    for panel in panels(name):
        for target in panel["targets"]:
            bare = target["expr"].replace("$__rate_interval", "")
            assert {part.split('"')[0] for part in bare.split("$")[1:]} <= has


@pytest.mark.skipif(WITHOUT, reason=WHY)
def test_prometheus_can_read_every_query(tmp_path: Path) -> None:
    asked = dashboard_queries(FOLDER)
    records = [{"record": f"query:{place}", "expr": expr} for place, expr in enumerate(asked)]
    (tmp_path / "rules.yaml").write_text(
        json.dumps({"groups": [{"name": "dashboards", "rules": records}]})
    )
    command = (str(PROMTOOL), "check", "rules", str(tmp_path / "rules.yaml"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(asked)} rules found" in done.stdout


def test_the_metrics_of_a_query_are_told_from_its_functions_and_labels() -> None:
    query = 'sum by (le) (rate(a_bucket{le=~"x(y)?", b="{"}[5m])) / on (c) group_left () d:e and up'
    assert metrics_in(query) == {"a_bucket", "d:e", "up"}
    assert metrics_in("time() - 3 * 86400 > 1e3") == set()
    assert chosen('a{b=~"$region"}[$__rate_interval]', "5m") == 'a{b=~".*"}[5m]'
