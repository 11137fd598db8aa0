"""The files themselves, before anything runs: hadolint, the Compose Specification, Grafana's types."""

import json
import subprocess

import pytest
from engine import HERE, ROOT


def check(tools, program: str, *arguments: object) -> str:
    done = subprocess.run([tools / "bin" / program, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_hadolint_finds_nothing(tools):
    check(tools, "hadolint", "Dockerfile")


@pytest.mark.parametrize("name", ["compose.yaml", "compose.gpu.yaml"])
def test_the_compose_files_follow_the_specification(tools, name):
    assert "ok" in check(
        tools, "check-jsonschema", "--builtin-schema", "vendor.compose-spec", f"docker/{name}"
    )


def test_the_check_sees_what_is_wrong(tools, tmp_path):
    wrong = tmp_path / "compose.yaml"
    wrong.write_text((ROOT / "docker/compose.yaml").read_text().replace("read_only: true", "read_onyl: true"))
    command = [tools / "bin/check-jsonschema", "--builtin-schema", "vendor.compose-spec", wrong]
    assert subprocess.run(command, capture_output=True).returncode == 1


def lost(given: object, read: object, place: str = "dashboard") -> list[str]:
    """What of a dashboard Grafana's types do not know or take for something else."""
    if isinstance(given, dict) and isinstance(read, dict):
        there = [
            one for name, value in given.items() if name in read for one in lost(value, read[name], name)
        ]
        return there + [f"{place}.{name}" for name in given if name not in read]
    if isinstance(given, list) and isinstance(read, list) and len(given) == len(read):
        return [one for pair in zip(given, read, strict=True) for one in lost(*pair, place)]
    return [] if given == read else [place]


def through_grafana(tools, file: object) -> object:
    return json.loads(check(tools, "python", HERE / "through_grafana.py", file))


def test_grafana_knows_every_word_of_the_dashboard(tools, tmp_path):
    file = ROOT / "docker/grafana/cskt.json"
    dashboard = json.loads(file.read_text())
    assert lost(dashboard, through_grafana(tools, file)) == []
    dashboard["panels"][0]["targetz"] = dashboard["panels"][0].pop("targets")
    (tmp_path / "wrong.json").write_text(json.dumps(dashboard))
    assert lost(dashboard, through_grafana(tools, tmp_path / "wrong.json")) == ["panels.targetz"]
