"""Metrics, log lines, request ids and traces: held against what the requests really were."""

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families
from service_toys import ToyEncoder, ToyGallery, person

from service.app import create_app
from service.observing.logs import JsonLines, TextLines
from service.observing.metrics import STAGES, Metrics
from service.observing.request_ids import request_id
from service.searcher import Searcher
from service.settings import Settings

ROOT = Path(__file__).parent.parent
CANARY = "zebra striped balaclava"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def client(spans: InMemorySpanExporter) -> Iterator[TestClient]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    settings = Settings(refresh_seconds=0.02)
    people = [person(f"{colour} coat", number) for number, colour in enumerate(("red", "blue", "green"), 1)]
    searcher = Searcher(ToyEncoder(), ToyGallery(people), settings, metrics=Metrics(provider))
    with TestClient(create_app(settings, searcher), base_url="http://127.0.0.1:8000") as client:
        while client.get("/readyz").status_code != 200:
            pass
        yield client


def samples(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample of /metrics by its name and labels."""
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found.get((name, frozenset(labels.items())), 0.0)


def test_requests_are_counted_by_operation_and_status(client: TestClient) -> None:
    for text in ("red coat", "blue coat", "  "):
        client.post("/v1/search", json={"text": text})
    client.get("/v1/images/1")
    client.get("/v1/images/99")
    client.get("/nowhere")
    found = samples(client)
    assert value(found, "cskt_requests_total", operation="search", status="200") == 2
    assert value(found, "cskt_requests_total", operation="search", status="422") == 1
    assert value(found, "cskt_requests_total", operation="get_image", status="200") == 1
    assert value(found, "cskt_requests_total", operation="get_image", status="404") == 1
    assert value(found, "cskt_requests_total", operation="none", status="404") == 1
    assert value(found, "cskt_request_seconds_count", operation="search") == 3
    assert value(found, "cskt_refusals_total", problem="invalid-request") == 1
    assert value(found, "cskt_refusals_total", problem="not-found") == 2


def test_the_gauges_tell_what_is_served(client: TestClient) -> None:
    found = samples(client)
    assert value(found, "cskt_ready") == 1
    assert value(found, "cskt_gallery_items") == 3
    assert value(found, "cskt_gallery_generation") == 1
    assert value(found, "cskt_encoder_info", encoder="toy", fingerprint="toy0123456789abcdef") == 1


@pytest.mark.parametrize("given", ["from-the-proxy.17", "short", "with space in it", "x" * 65, ""])
def test_an_answer_carries_its_id(client: TestClient, given: str) -> None:
    answered = client.get("/v1/gallery", headers={"X-Request-Id": given}).headers["x-request-id"]
    if given == "from-the-proxy.17":
        assert answered == given
    else:
        assert re.fullmatch(r"[0-9a-f]{16}", answered)
    assert client.get("/nowhere").headers["x-request-id"] != answered


def lines(formatter: logging.Formatter, caplog: pytest.LogCaptureFixture) -> list[str]:
    return [formatter.format(record) for record in caplog.records if record.name.startswith("cskt")]


def test_a_log_line_is_one_json_object(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(JsonLines())
    client.post("/v1/search", json={"text": CANARY}, headers={"X-Request-Id": "request-1"})
    entries = [json.loads(line) for line in caplog.text.splitlines() if '"cskt.access"' in line]
    assert [(entry["operation"], entry["status"], entry["request"]) for entry in entries] == [
        ("search", 200, "request-1")
    ]
    assert CANARY not in caplog.text


def test_an_exception_stays_one_line_of_json() -> None:
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError as error:
        told = (type(error), error, error.__traceback__)
    record = logging.LogRecord("cskt.x", logging.ERROR, __file__, 1, "first\nsecond %s", ("third",), told)
    token = request_id.set("request-2")
    try:
        line = JsonLines().format(record)
        text = TextLines().format(logging.LogRecord("cskt", logging.INFO, __file__, 1, "hello", (), None))
    finally:
        request_id.reset(token)
    assert "\n" not in line
    entry = json.loads(line)
    assert (entry["message"], entry["request"]) == ("first\nsecond third", "request-2")
    assert "two\nlines" in entry["exception"]
    assert text.endswith("INFO hello [request-2]")


def test_every_stage_of_a_search_is_timed(client: TestClient) -> None:
    before = samples(client)
    client.post("/v1/search", json={"text": "red coat"})
    client.get("/v1/images/1")
    found = samples(client)
    counted = {
        stage: value(found, "cskt_stage_seconds_count", stage=stage)
        - value(before, "cskt_stage_seconds_count", stage=stage)
        for stage in STAGES
    }
    assert counted == {"decode": 0, "queue": 2, "encode": 1, "search": 1, "fetch": 1, "audit": 2}
    for stage in ("encode", "search"):
        sizes = [value(seen, "cskt_batch_size_count", stage=stage) for seen in (before, found)]
        assert sizes[1] == sizes[0] + 1


def test_a_trace_holds_the_stages_below_the_request_and_no_words(
    client: TestClient, spans: InMemorySpanExporter
) -> None:
    spans.clear()
    client.post("/v1/search", json={"text": CANARY})
    assert "POST /v1/search" in {span.name for span in spans.get_finished_spans()}
    client.get("/v1/images/1")
    finished = {span.name: span for span in spans.get_finished_spans()}
    request = finished["GET /v1/images/{id}"]
    for stage in ("fetch", "audit"):
        parent = finished[f"cskt.{stage}"].parent
        assert parent is not None
        assert parent.span_id == request.context.span_id
    told = "".join(span.to_json() for span in spans.get_finished_spans())
    assert not any(word in told for word in CANARY.split())


def metric_names(text: str) -> set[str]:
    return set(re.findall(r"\b(?:cskt|process)_[a-z_]+", text))


@pytest.mark.parametrize("file", ["grafana/cskt.json", "prometheus/alerts.yml"])
def test_dashboard_and_alerts_ask_for_what_there_is(client: TestClient, file: str) -> None:
    client.post("/v1/search", json={"text": "red"})
    client.post("/v1/search", json={"text": ""})
    there = {name for name, _ in samples(client)}
    text = (ROOT / "docker" / file).read_text("utf-8")
    if file.endswith("json"):
        panels = json.loads(text)["panels"]
        asked = metric_names(" ".join(target["expr"] for panel in panels for target in panel["targets"]))
        assert {f"cskt_{name}" for name in ("waiting", "batch_size_bucket", "stage_seconds_bucket")} <= asked
    else:
        asked = metric_names(" ".join(re.findall(r"expr: (.*)", text)))
    assert asked - there == set()
    assert asked != set()
