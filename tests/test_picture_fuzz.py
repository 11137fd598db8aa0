"""Broken pictures without end: files with bytes turned, cut, doubled and mixed, as queries and as uploads.

`CSKT_FUZZ=long` sends thirty times as many. Each must be used or refused, and the service be well afterwards.
"""

import base64
import io
import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from keyed_service import gallery
from PIL import Image
from service_toys import ToyEncoder

from service.app import create_app
from service.searcher import Searcher
from service.settings import Settings
from service.writing import Writing

CASES = 6000 if os.environ.get("CSKT_FUZZ") == "long" else 200
TOGETHER = 16
"""Pictures in one upload."""


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """A toy service whose pictures are decoded as ever, in confined processes."""
    settings, rows = Settings(refresh_seconds=0.5), gallery()
    app = create_app(settings, Searcher(ToyEncoder(), rows, settings))
    with TestClient(app, base_url="http://127.0.0.1:8000") as client:
        app.state.writing = Writing(lambda: rows)
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def valid_files() -> list[bytes]:
    """The kinds that are taken, in several flavours, with metadata."""
    noise = Image.effect_noise((48, 96), 80).convert("RGB")
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a picture " * 20
    flavours: list[tuple[str, str, dict[str, object]]] = [
        ("JPEG", "RGB", {"quality": 80, "exif": exif}),
        ("JPEG", "RGB", {"quality": 60, "progressive": True}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("PNG", "RGB", {"exif": exif}),
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("PNG", "I;16", {}),
        ("WEBP", "RGB", {"quality": 70}),
        ("WEBP", "RGBA", {"lossless": True}),
    ]
    files = []
    for kind, mode, options in flavours:
        file = io.BytesIO()
        (noise.convert("L").convert(mode) if mode == "I;16" else noise.convert(mode)).save(
            file, kind, **options
        )
        files.append(file.getvalue())
    return files


def broken(files: list[bytes], draw: random.Random) -> bytes:
    """One of them, changed one to four times."""
    data = bytearray(draw.choice(files))
    for _ in range(draw.randint(1, 4)):
        at, size = draw.randrange(len(data)), draw.randint(1, 64)
        match draw.randrange(6):
            case 0:
                data[at] ^= 1 << draw.randrange(8)
            case 1:
                data[at : at + size] = draw.randbytes(len(data[at : at + size]))
            case 2:
                del data[at : at + size]
            case 3:
                data[at:at] = data[max(0, at - size) : at]
            case 4:
                data = data[: max(1, at)]
            case _:
                other = draw.choice(files)
                data[at : at + size] = other[at : at + size]
        data = data or bytearray(b"\0")
    if len(data) > 24 and draw.random() < 0.2:  # sizes and lengths stand near the beginning
        data[draw.randrange(24)] = draw.choice((0x00, 0x7F, 0x80, 0xFF))
    return bytes(data)


def test_broken_pictures_are_used_or_refused_and_nobody_is_harmed(client: TestClient) -> None:
    draw, files = random.Random(20_261_126), valid_files()
    for file in files:  # whole, all of them are taken
        answer = client.post("/v1/search", json={"image": base64.b64encode(file).decode()})
        assert answer.status_code == 200, answer.text
    seen: Counter[int] = Counter()
    headers = {"Deadline-Ms": "60000"}
    for _ in range(CASES):
        body = {"image": base64.b64encode(broken(files, draw)).decode(), "top_k": 1}
        answer = client.post("/v1/search", json=body, headers=headers)
        assert answer.status_code in (200, 422), answer.text
        assert len(answer.json().get("detail", "")) < 500
        seen[answer.status_code] += 1
    assert min(seen[200], seen[422]) > CASES / 20, seen  # both happen
    assert client.get("/readyz").status_code == 200


def test_an_upload_survives_its_worst_picture(client: TestClient) -> None:
    draw, files = random.Random(7), valid_files()
    outcomes: Counter[str] = Counter()
    for upload in range(CASES // TOGETHER // 4):
        pictures = [broken(files, draw) for _ in range(TOGETHER - 1)] + [files[upload % len(files)]]
        items = [
            {"key": f"{upload}-{place}", "image": base64.b64encode(one).decode(), "camera": "gate"}
            for place, one in enumerate(pictures)
        ]
        answer = client.post("/v1/items", json={"items": items})
        assert answer.status_code == 200, answer.text
        told = answer.json()["items"]
        assert [one["key"] for one in told] == [item["key"] for item in items]
        assert told[-1]["status"] == "stored"
        for one in told:
            assert (one["status"] == "rejected") == (one["reason"] is not None)
            outcomes[one["status"]] += 1
    assert set(outcomes) == {"stored", "rejected"}
