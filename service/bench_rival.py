"""The same searches beside a rival: `cskt bench serve --part rival --rival-python PYTHON`.

The rival is `rival/usual_service.py`: FastAPI, infinity (an embedding server with dynamic batching) and a
flat FAISS index, in an environment of its own, with a text tower of the same size (random weights) and the
same vectors. It does less: no keys, audit, filters or deadlines. Both run at once; they are asked in turn.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from model.bench_report import Result, measured
from service.bench_load import LoadOrder, percentile_of, rate_of, requests_of
from service.load_generator import Answer, Load
from service.probe import is_ready
from service.serving_process import HOST, Served

if TYPE_CHECKING:
    from model.embedder import Embedder

RIVAL = Path(__file__).parent / "rival"
ROUNDS = 3
CLIENTS = (1, 16)
SHARE = 0.5
"""Of what the slower of the two can do: the rate at which both are asked in an open loop."""
START_SECONDS = 180.0


def beside_rival(
    served: Served,
    embedder: "Embedder",
    items: int,
    sentences: Sequence[str],
    order: LoadOrder,
    python: Path,
) -> list[Result]:
    """Queries a second and milliseconds of both. Raises ServeError when the rival does not start."""
    import uvloop

    from model.embedder import open_encoder

    backbone = open_encoder(embedder.name).encoder.config.backbone
    size = {
        "dimension": backbone.embed_dim,
        "width": backbone.text.width,
        "layers": backbone.text.layers,
        "heads": backbone.text.heads,
    }
    with TemporaryDirectory(prefix="cskt-rival-") as name:
        place = Path(name)
        _write_inputs(place, size, items)
        with _running(python, place, size) as port:
            return uvloop.run(_compare(served.port, port, requests_of(sentences, order), order.seconds))


def _write_inputs(place: Path, size: dict[str, int], items: int) -> None:
    import numpy as np

    from model.onnx.tokenizer_file import tokenizer_files
    from model.tokenizer import Tokenizer
    from service.bench_data import unit_vectors

    (place / "tokenizer.json").write_bytes(tokenizer_files(Tokenizer(77))["tokenizer.json"])
    np.save(place / "vectors.npy", unit_vectors(items, size["dimension"]))


@contextmanager
def _running(python: Path, place: Path, size: dict[str, int]) -> Iterator[int]:
    """The rival's port, once it is ready."""
    from service.errors import ServeError

    environment = os.environ | {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
    model, log = str(place / "model"), place / "log"
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    made = [
        str(python),
        str(RIVAL / "random_clip.py"),
        model,
        str(place / "tokenizer.json"),
        json.dumps(size),
    ]
    run = [str(python), str(RIVAL / "usual_service.py"), model, str(place / "vectors.npy"), str(port)]
    with log.open("wb") as said:
        if subprocess.run(made, env=environment, stdout=said, stderr=said).returncode:
            raise ServeError(f"The rival's model cannot be made: {_last_line(log)}")
        process = subprocess.Popen(run, env=environment, stdout=said, stderr=said)
    try:
        until = time.monotonic() + START_SECONDS
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() > until:
                raise ServeError(f"The rival does not start: {_last_line(log)}")
            time.sleep(0.2)
        yield port
    finally:
        process.kill()
        process.wait()


def _last_line(log: Path) -> str:
    return (log.read_text(errors="replace").strip().splitlines() or ["it said nothing"])[-1][:300]


async def _compare(ours: int, theirs: int, requests: Sequence[bytes], seconds: float) -> list[Result]:
    loads = {"ours": Load(HOST, ours, requests), "rival": Load(HOST, theirs, requests)}
    rates: dict[tuple[str, int], list[float]] = {(name, n): [] for name in loads for n in CLIENTS}
    for load in loads.values():
        await load.by_clients(4, seconds / 4)
    for _ in range(ROUNDS):
        for name, load in loads.items():
            for clients in CLIENTS:
                answers = await load.by_clients(clients, seconds / ROUNDS)
                rates[name, clients].append(rate_of(answers, seconds / ROUNDS))
    rate = SHARE * min(max(rates[name, CLIENTS[-1]]) for name in loads)
    times: dict[str, list[Answer]] = {name: [] for name in loads}
    for number in range(ROUNDS):
        for name, load in loads.items():
            times[name] += await load.at_rate(rate, seconds / ROUNDS, seed=number)
    for load in loads.values():
        await load.close()
    return _results(rates, times, rate)


def _results(
    rates: dict[tuple[str, int], list[float]], times: dict[str, list[Answer]], rate: float
) -> list[Result]:
    results = []
    for clients in CLIENTS:
        rival = max(rates["rival", clients])
        results.append(
            measured(
                f"{clients} clients (baseline: the rival)",
                max(rates["ours", clients]),
                "queries/s",
                baseline=rival,
                at_least=rival,
            )
        )
    for share in (50, 99):
        rival = percentile_of(times["rival"], share)
        results.append(
            measured(
                f"asked {rate:.0f} times a second, p{share} (baseline: the rival)",
                percentile_of(times["ours"], share),
                "ms",
                baseline=rival,
                at_most=rival,
            )
        )
    return results
