"""The access log and the counters, of a real service with two workers."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from topicdock.serving.metrics import Counters

from .asking import assert_plain_line
from .malformed import CSV, ROW
from .service import Service

COUNT = "topicdock_request_seconds_count"


@pytest.fixture(scope="module")
def watched(base: Path) -> Iterator[Service]:
    with Service(base, {"SAGEMAKER_MODEL_SERVER_WORKERS": "2", "TOPICDOCK_METRICS": "true"}) as service:
        service.wait_until(lambda: len(service.workers) == 2)
        yield service


def logged(service: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]


def counters(service: Service) -> dict[str, float]:
    answer = service.ask("GET", "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r'[a-z_]+(\{[a-z]+="[^"]+"\})? [0-9.]+', line) for line in lines)
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_a_request_is_logged_with_its_latency_and_without_its_content(watched: Service) -> None:
    headers = {"Content-Type": CSV, "X-Amzn-SageMaker-Inference-Id": "id-1", "X-Amzn-SageMaker-Custom-Attributes": "s"}
    answer = watched.ask("POST", "/invocations", ROW + b"\n" + ROW, headers)
    watched.wait_until(lambda: len(logged(watched)) == 1)  # a line is written once the answer is sent
    watched.ask("POST", "/invocations", b"secret", {"Content-Type": CSV})
    watched.wait_until(lambda: len(logged(watched)) == 2)
    watched.ask("GET", "/nowhere%7F")
    watched.wait_until(lambda: len(logged(watched)) == 3)
    good, bad, lost = logged(watched)
    assert good == good | {
        "method": "POST", "path": "/invocations", "status": 200, "documents": 2, "received": "159",
        "sent": len(answer.body), "content_type": CSV, "inference_id": "id-1",
    }  # fmt: skip
    assert 0 < good["milliseconds"] < 10_000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", good["time"])
    assert (bad["status"], lost["status"], lost["path"]) == (400, 404, "/nowhere\x7f")
    assert "documents" not in bad
    assert "secret" not in watched.log
    assert all(line["path"] != "/ping" for line in logged(watched))


def test_counters_of_all_workers_are_added_up_and_outlive_a_worker(watched: Service) -> None:
    before = counters(watched)
    for _ in range(20):
        assert watched.ask("POST", "/invocations", ROW + b"\n" + ROW, {"Content-Type": CSV}).status == 200
        assert watched.ask("POST", "/invocations", b"x", {"Content-Type": CSV}).status == 400
        watched.ask("GET", "/ping")
    # A request is counted once its answer is sent.
    watched.wait_until(lambda: counters(watched)[COUNT] == before[COUNT] + 40)
    old = watched.workers[0]
    os.kill(old, signal.SIGKILL)
    watched.wait_until(lambda: len(watched.workers) == 2 and old not in watched.workers)
    for _ in range(5):
        watched.ask("POST", "/invocations", ROW, {"Content-Type": CSV})
    watched.wait_until(lambda: counters(watched)[COUNT] == before[COUNT] + 45)
    after = counters(watched)
    risen = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    assert risen['topicdock_requests_total{status="200"}'] == 25
    assert risen['topicdock_requests_total{status="400"}'] == 20
    assert risen["topicdock_documents_total"] == 45
    assert risen["topicdock_received_bytes_total"] == 20 * 159 + 20 + 5 * 79
    assert risen[COUNT] == 45
    assert risen['topicdock_request_seconds_bucket{le="+Inf"}'] == 45
    assert 0 < risen["topicdock_request_seconds_sum"] < 60
    assert after["topicdock_models"] == 1
    assert not any("404" in name or "5" in name.partition("status=")[2] for name in risen)


def test_the_access_log_can_be_switched_off_and_counters_are_off_by_default(base: Path) -> None:
    with Service(base, {"TOPICDOCK_ACCESS_LOG": "false"}) as service:
        assert service.ask("POST", "/invocations", ROW, {"Content-Type": CSV}).status == 200
        assert service.ask("GET", "/metrics").status == 404
    assert logged(service) == []


def test_there_are_no_counters_without_being_asked_for(client: FlaskClient) -> None:
    assert_plain_line(client.get("/metrics"), 404)


def test_rows_are_given_to_the_living_and_taken_from_the_dead() -> None:
    counted = Counters(2)
    for worker in ("a", "b"):
        counted.take_row(worker)
        counted.add(200, 0.5, 1, 10, 20)
    counted.give_back("a")
    counted.take_row("c")
    counted.add(418, 100.0, 1, 10, 20)
    shown = counted.show(7)
    assert 'topicdock_requests_total{status="200"} 2\n' in shown
    assert 'topicdock_requests_total{status="other"} 1\n' in shown
    assert 'topicdock_request_seconds_bucket{le="0.5"} 2\n' in shown
    assert 'topicdock_request_seconds_bucket{le="60.0"} 2\n' in shown
    assert "topicdock_request_seconds_sum 101.000000\n" in shown
    assert "topicdock_models 7\n" in shown
