"""The images of a deployment, made without an image registry: a base by debootstrap and wheels by pip."""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from engine import HERE, ROOT, Engine

BASE, CSKT = "localhost/base", "localhost/cskt"
CADDY, PROMETHEUS, GRAFANA = (f"localhost/stand-in-{name}" for name in ("caddy", "prometheus", "grafana"))
PYTHON = "3.11"


def make_base(engine: Engine) -> None:
    """Debian 12 with Python 3.11, as small as debootstrap makes it."""
    if engine.has_image(BASE):
        return
    root = engine.folder / "base"
    shutil.rmtree(root, ignore_errors=True)
    packages = "--include=ca-certificates,python3,python3-venv,python3-pip"
    engine.run("debootstrap", "--variant=minbase", packages, "bookworm", str(root))
    archive = root.with_suffix(".tar")
    with tarfile.open(archive, "w") as tar:
        tar.add(root, arcname=".")
    engine.call("import", str(archive), BASE)
    archive.unlink()
    shutil.rmtree(root)


def make_stand_ins(engine: Engine) -> None:
    """The proxy, Prometheus, and what takes Grafana's place."""
    base, options = engine.build_base_with_packages(BASE)
    source = engine.folder / "stand_ins"
    shutil.copytree(HERE / "stand_ins", source, dirs_exist_ok=True)
    shutil.copy2(engine.tools / "bin" / "caddy", source)
    engine.build(base=BASE, target="caddy", tag=CADDY, folder=source)
    for target, tag in {"prometheus": PROMETHEUS, "grafana": GRAFANA}.items():
        engine.build(*options, base=base, target=target, tag=tag, folder=source)


def context(folder: Path) -> Path:
    """A copy of what git would commit, the whole of it: what `docker build` is given."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder


def fetch_wheels(engine: Engine) -> Path:
    """Every wheel of the lock, by its hash."""
    wheels = engine.folder / "wheels"
    only = ("--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version", PYTHON)
    lock = ROOT / "docker/constraints/cpu.lock"
    engine.run(sys.executable, "-m", "pip", "download", "-q", "-d", str(wheels), *only, "-r", str(lock))
    return wheels


def build_cskt(engine: Engine, folder: Path) -> None:
    """The cpu image from wheels alone: nothing is reached while it is built."""
    source = context(folder)
    for wheel in fetch_wheels(engine).glob("*.whl"):
        os.link(wheel, source / "docker/wheels" / wheel.name)
    engine.build("--network", "none", base=BASE, target="cpu", tag=CSKT, folder=source)
