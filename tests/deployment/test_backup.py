"""The volume of a gallery is lost and comes back, but nobody who was erased does."""

import httpx
from deployed import GALLERY, Deployed


def found(deployed: Deployed) -> list[tuple[int, float]]:
    hits = deployed.search("a man in a blue jacket").json()["hits"]
    return [(hit["id"], round(hit["score"], 4)) for hit in hits]


def test_a_backup_made_while_it_serves_brings_everything_back(deployed, tmp_path):
    backups = (f"{tmp_path}:/backups",)
    tmp_path.chmod(0o777)
    before, items = found(deployed), deployed.items()
    deployed.indexer("gallery", "backup", "/backups/one.cskt", "--gallery", GALLERY, volumes=backups)
    assert deployed.search("a man").status_code == httpx.codes.OK

    deployed.compose("down", "-v")
    told = deployed.indexer("gallery", "info", "--gallery", GALLERY, status=None)
    assert "no gallery" in told.lower(), told
    deployed.indexer("gallery", "restore", "/backups/one.cskt", "--gallery", GALLERY, volumes=backups)
    key = deployed.indexer("key", "create", "--name", "after the loss", "--scopes", "search", "--gallery", GALLERY)
    deployed.up()
    again = next(line for line in key.splitlines() if line.startswith("cskt_"))
    answer = deployed.search("a man in a blue jacket", again).json()["hits"]
    assert [(hit["id"], round(hit["score"], 4)) for hit in answer] == before
    assert int(deployed.get("/v1/gallery", headers=deployed.bearer(again)).json()["items"]) == items
