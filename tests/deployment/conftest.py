"""Builds the images and starts compose.yaml once for all tests of this folder.

`make deployment-test` says where the tools are (CSKT_DEPLOYMENT); without it everything here is skipped."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from deployed import GALLERY, Deployed, prepare
from docker_engine import Docker
from images import build_cskt, make_base, make_stand_ins
from podman_engine import Podman

from service.cli import main

PEOPLE = 40


@pytest.fixture(scope="session")
def tools() -> Path:
    """The environment with podman-compose, hadolint, check-jsonschema, helm and kubernetes-validate."""
    if "CSKT_DEPLOYMENT" not in os.environ:
        pytest.skip("deployments are tested by `make deployment-test`")
    return Path(os.environ["CSKT_DEPLOYMENT"]).absolute()


@pytest.fixture(scope="session")
def engine(tools):
    """podman or Docker, or a reason why not."""
    kind = {"podman": Podman, "docker": Docker}[os.environ.get("CSKT_ENGINE", "podman")]
    if lacking := kind.lacking():
        pytest.skip(lacking)
    engine = kind(tools / "engine", tools)
    try:
        engine.start()
        yield engine
    finally:
        engine.stop()


@pytest.fixture(scope="session")
def image(engine, tmp_path_factory) -> str:
    """The cpu image, built from wheels with no network at all."""
    make_base(engine)
    make_stand_ins(engine)
    build_cskt(engine, tmp_path_factory.mktemp("context"))
    return "localhost/cskt"


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """Pictures of synthetic people."""
    folder = tmp_path_factory.mktemp("people")
    assert main(["people", str(folder / "made"), "--identities", str(PEOPLE), "--split", "test"]) == 0
    return folder / "made" / "imgs"


@pytest.fixture(scope="session")
def deployed(engine, image, pictures, tmp_path_factory) -> Deployed:
    """What docker/README.md starts: secrets, keys, an index job; then two replicas and all the rest."""
    deployed = prepare(engine, tmp_path_factory.mktemp("deployment") / "docker", pictures, replicas=2)
    told = deployed.indexer("index", "/images", "--gallery", GALLERY)
    assert f"{PEOPLE * 3} new" in told, told
    deployed.up()
    assert len(deployed.replicas()) == 2
    return deployed


@pytest.fixture
def service(deployed) -> str:
    """The name of a running service's container."""
    return deployed.replicas()[0]
