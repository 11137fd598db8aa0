"""A gallery from its backup, and the whole volume (keys, cases and audit log too) from a copy of it."""

import json
import re
import shlex
from pathlib import Path

import httpx
from deployed import GALLERY, Deployed
from engine import ROOT
from images import CSKT

SENTENCE = "a man in a blue jacket"


def found(deployed: Deployed, gallery: str) -> list[tuple[str, float]]:
    """What a search on the command line finds in a gallery."""
    told = deployed.indexer("search", SENTENCE, "--gallery", gallery, "--json", "--top-k", "5")
    hits = json.loads(told[told.index("{") :])["hits"]
    return [(hit["key"], round(hit["score"], 4)) for hit in hits]


def written(backups: Path) -> list[list[str]]:
    """The commands of docker/README.md that copy the whole volume and bring it back, as engines take them."""
    lines = re.findall(r"^    docker (run .*tar .*)$", (ROOT / "docker/README.md").read_text(), re.MULTILINE)
    lines = [line.replace("/my/backups", str(backups)).replace(" cskt -", f" {CSKT} -") for line in lines]
    assert len(lines) == 2
    return [shlex.split(line) for line in lines]


def test_a_backup_made_while_it_serves_is_a_gallery_again(deployed, tmp_path):
    tmp_path.chmod(0o777)  # the jobs write as another user
    backups = (f"{tmp_path}:/backups",)
    deployed.indexer("gallery", "backup", "/backups/one.cskt", "--gallery", GALLERY, volumes=backups)
    assert deployed.search(SENTENCE).status_code == httpx.codes.OK
    deployed.indexer(
        "gallery", "restore", "/backups/one.cskt", "--gallery", "/data/again", "--force", volumes=backups
    )
    assert found(deployed, "/data/again") == found(deployed, GALLERY)


def test_a_lost_volume_comes_back_with_keys_and_audit_log(deployed, tmp_path):
    items, copy = deployed.items(), tmp_path / "data.tar"
    before = deployed.search(SENTENCE).json()["hits"]
    deployed.down()
    there, back = written(tmp_path)
    deployed.engine.call(*there)
    assert copy.stat().st_mode & 0o077 == 0
    deployed.engine.call("volume", "rm", "cskt_data")
    assert "no gallery" in deployed.indexer("gallery", "info", "--gallery", GALLERY, status=None).lower()
    deployed.engine.call(*back)
    deployed.up()
    assert deployed.items() == items
    assert deployed.search(SENTENCE).json()["hits"] == before
    assert "records hold" in deployed.indexer("audit", "verify", "--gallery", GALLERY)
