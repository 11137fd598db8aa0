"""What is in the image, and what is not."""

import json

from engine import ROOT

COMPILERS = ("gcc", "cc", "g++", "clang", "make", "cargo", "go", "rustc")


def run(engine, image: str, *command: str, status: int | None = 0) -> str:
    entry, *arguments = command
    hardened = ("--read-only", "--cap-drop", "ALL", "--network", "none")
    return engine.call(
        "run", "--rm", *hardened, "--entrypoint", entry, image, *arguments, status=status
    ).strip()


def test_its_entry_point_is_cskt(engine, image):
    told = engine.call("run", "--rm", "--network", "none", image)
    assert told.strip().startswith("usage: cskt")
    assert "invalid choice" in engine.call("run", "--rm", "--network", "none", image, "nonsense", status=2)


def test_it_says_what_it_is_and_runs_as_nobody_special(engine, image):
    facts = engine.inspect(image)
    config = facts["Config"]
    assert config["User"] == "10001"
    assert config["Labels"]["org.opencontainers.image.title"] == "cskt"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert engine.health_check_of(facts) == ["CMD", "python", "-m", "service.probe"]
    assert list(config["Volumes"]) == ["/data"]
    assert run(engine, image, "id", "-u") == "10001"


def test_nothing_of_the_build_is_left(engine, image):
    left = "find / -xdev -maxdepth 2 \\( -path /src -o -name .cache -o -path '*/tmp/*' \\)"
    found = run(engine, image, "sh", "-c", f"command -v {' '.join(COMPILERS)}; {left}; true")
    assert [line for line in found.splitlines() if line.startswith("/")] == []
    wheels = run(engine, image, "find", "/", "-xdev", "-name", "*.whl", "-path", "*cskt*", status=None)
    assert [line for line in wheels.splitlines() if line.endswith(".whl")] == []
    names = run(engine, image, "sh", "-c", "ls /opt/cskt/lib/python3*/site-packages")
    assert not {"pip", "hatchling", "pytest", "hypothesis", "mypy", "nvidia"} & set(names.split())


def test_it_holds_what_its_bill_of_materials_says(engine, image):
    code = (
        "import importlib.metadata as m, json, site;"
        "found = m.distributions(path=site.getsitepackages()[:1]);"
        "print(json.dumps({one.name: one.version for one in found}))"
    )
    held = json.loads(run(engine, image, "python", "-c", code))
    sbom = json.loads((ROOT / "docker/supply/cpu.cdx.json").read_text())
    told = {one["name"].lower().replace("_", "-"): one["version"] for one in sbom["components"]}
    found = {name.lower().replace("_", "-"): version for name, version in held.items() if name != "cskt"}
    found.pop("setuptools", None)  # of the virtual environment
    told.pop("setuptools", None)
    assert found == told


def test_it_brings_the_licences(engine, image):
    told = run(engine, image, "ls", "/opt/cskt/share/doc/cskt").split()
    assert told == ["LICENCES.md", "LICENSE", "NOTICE"]


def test_no_file_of_the_program_can_be_changed_by_its_user(engine, image):
    writable = run(engine, image, "find", "/opt/cskt", "-writable", "-not", "-type", "l")
    assert writable == ""


def test_its_size_is_said(engine, image, record_property):
    gigabytes = engine.inspect(image)["Size"] / 1e9
    record_property("gigabytes", gigabytes)
    assert 0.5 < gigabytes < 2.0
