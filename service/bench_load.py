"""What happens when more is asked than a service can do: `cskt bench serve --part load`.

Capacity is what a moderate number of clients, each asking again once it is answered, get out of it. Then
requests come in an open loop at multiples of that: how many are answered by the deadline, how long those
take, how quickly the others are refused, whether memory grows, and how soon all is well again.
"""

import asyncio
import json
import statistics
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from model.bench_report import Result, measured
from service.load_generator import Answer, Load
from service.serving_process import HOST, Served, resident

CLIENTS = (24, 48, 96)
"""Of these the number that gets most out of the service: few leave batches half full, many are refused."""
UNLOADED = 0.1
"""Share of the capacity at which times count as those of an unloaded service."""
FACTORS = (2, 5, 10)
GOAL_GOODPUT, GOAL_REJECT_MS, GOAL_GROWTH, GOAL_RECOVERY = 0.95, 20.0, 1.1, 2.0
PROBES_A_SECOND, PROBE_SECONDS = 20.0, 5.0


@dataclass(frozen=True)
class LoadOrder:
    """deadline: milliseconds asked for with every request; seconds: of each measurement."""

    deadline: int
    seconds: float
    top_k: int


@dataclass
class Overload:
    """One multiple of the capacity: what was answered, and bytes resident before and at most."""

    factor: float
    seconds: float
    answers: list[Answer]
    before: int = 0
    most: int = 0
    recovery: float = 0.0


@dataclass
class LoadTimes:
    """Queries a second, by how many clients, milliseconds of an unloaded service, and each overload."""

    capacity: float = 0.0
    clients: int = 0
    unloaded: list[Answer] = field(default_factory=list)
    overloads: list[Overload] = field(default_factory=list)


def requests_of(sentences: Sequence[str], order: LoadOrder, path: str = "/v1/search") -> list[bytes]:
    """Whole HTTP requests, one a sentence."""
    requests = []
    for sentence in sentences:
        body = json.dumps({"text": sentence, "top_k": order.top_k}).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
            f"Deadline-Ms: {order.deadline}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)
    return requests


async def measure_load(served: Served, sentences: Sequence[str], order: LoadOrder) -> LoadTimes:
    """All measurements, one after the other."""
    load = Load(HOST, served.port, requests_of(sentences, order))
    times = LoadTimes()
    await load.by_clients(CLIENTS[0], order.seconds / 4)  # all that is only done once
    for clients in CLIENTS:
        rate = rate_of(await load.by_clients(clients, order.seconds / 2), order.seconds / 2)
        if rate > times.capacity:
            times.capacity, times.clients = rate, clients
    times.unloaded = await load.at_rate(times.capacity * UNLOADED, order.seconds)
    for number, factor in enumerate(FACTORS):
        processes = served.processes()
        before = resident(processes)
        with _resident(processes) as seen:
            answers = await load.at_rate(times.capacity * factor, order.seconds, seed=number)
        overload = Overload(factor, order.seconds, answers, before, max(seen))
        overload.recovery = await _recovery(load, percentile_of(times.unloaded, 99), number)
        times.overloads.append(overload)
    await load.close()
    return times


@contextmanager
def _resident(processes: Sequence[int]) -> Iterator[list[int]]:
    """Bytes resident, looked at five times a second from a thread of its own."""
    seen, ended = [resident(processes)], threading.Event()

    def look() -> None:
        while not ended.wait(0.2):
            seen.append(resident(processes))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()


async def _recovery(load: Load, unloaded_p99: float, seed: int) -> float:
    """Seconds until the last probe that was refused or took twice as long as an unloaded p99."""
    started = asyncio.get_running_loop().time()
    probes = await load.at_rate(PROBES_A_SECOND, PROBE_SECONDS, seed)
    ill = [a.due - started for a in probes if a.status != 200 or a.seconds * 1000 > 2 * unloaded_p99]
    return max(ill, default=0.0)


def rate_of(answers: Sequence[Answer], seconds: float, deadline: float | None = None) -> float:
    """Good answers a second; with a deadline (seconds) only those that came by it."""
    good = [a for a in answers if a.status == 200 and (deadline is None or a.seconds <= deadline)]
    return len(good) / seconds


def percentile_of(answers: Sequence[Answer], share: int, *, good: bool = True) -> float:
    """Milliseconds that `share` per cent of the answers, or of the refusals, do not exceed; 0 for none."""
    times = sorted(a.seconds * 1000 for a in answers if (a.status == 200) == good and a.status)
    return times[max(0, -(-len(times) * share // 100) - 1)] if times else 0.0


def results_of(times: LoadTimes, order: LoadOrder) -> list[Result]:
    """The figures, each overload against the capacity and the unloaded service of the same run."""
    calm = percentile_of(times.unloaded, 99)
    results = [
        measured(f"capacity, {times.clients} clients", times.capacity, "queries/s"),
        measured(f"unloaded ({UNLOADED:.0%} of capacity), p50", percentile_of(times.unloaded, 50), "ms"),
        measured(f"unloaded ({UNLOADED:.0%} of capacity), p99", calm, "ms", at_most=order.deadline),
    ]
    for overload in times.overloads:
        results += _results_of(overload, times.capacity, calm, order)
    return results


def _results_of(overload: Overload, capacity: float, calm: float, order: LoadOrder) -> list[Result]:
    at, answers = f"asked {overload.factor}x", overload.answers
    goodput = rate_of(answers, overload.seconds, order.deadline / 1000)
    broken = sum(a.status not in (200, 429, 503) for a in answers)
    late = statistics.quantiles((a.late * 1000 for a in answers), n=100)[98]
    return [
        measured(
            f"{at}: answered by the deadline (baseline: capacity)",
            goodput,
            "queries/s",
            baseline=capacity,
            at_least=GOAL_GOODPUT * capacity,
        ),
        measured(
            f"{at}: answers, p99 (baseline: unloaded; goal: the deadline)",
            percentile_of(answers, 99),
            "ms",
            baseline=calm,
            at_most=order.deadline,
        ),
        measured(
            f"{at}: refusals, p99", percentile_of(answers, 99, good=False), "ms", at_most=GOAL_REJECT_MS
        ),
        measured(f"{at}: neither answered nor refused", float(broken), "requests", at_most=0.0),
        measured(
            f"{at}: memory at most (baseline: before)",
            overload.most / 1e6,
            "MB",
            baseline=overload.before / 1e6,
            at_most=GOAL_GROWTH * overload.before / 1e6,
        ),
        measured(f"{at}: seconds until well again", overload.recovery, "s", at_most=GOAL_RECOVERY),
        measured(f"{at}: the generator sent late, p99", late, "ms"),
    ]
