"""The service as a real process with real sockets."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from topicdock.artifact import save_model
from topicdock.corpus import encode_counts, encode_csv, encode_json, encode_jsonlines
from topicdock.model import NeuralTopicModel

from .malformed import CSV, JSON, LINES, MALFORMED, RECORDIO, ROW
from .reading import READERS, read_json, read_recordio
from .service import COMMAND, Service, environment_for, find_free_port

ENCODERS: dict[str, Callable[[csr_matrix], bytes]] = {
    RECORDIO: encode_counts,
    CSV: encode_csv,
    JSON: encode_json,
    LINES: encode_jsonlines,
}


def assert_close(theta: np.ndarray, model: NeuralTopicModel, counts: csr_matrix) -> None:
    np.testing.assert_allclose(theta, model.transform(counts), rtol=0, atol=1e-6)


@pytest.mark.parametrize("accept", list(READERS))
@pytest.mark.parametrize("content_type", list(ENCODERS))
def test_all_formats_over_http_give_the_models_answer(
    service: Service, model: NeuralTopicModel, counts: csr_matrix, content_type: str, accept: str
) -> None:
    body = ENCODERS[content_type](counts)
    answer = service.ask("POST", "/invocations", body, {"Content-Type": content_type, "Accept": accept})
    assert (answer.status, answer.headers["Content-Type"]) == (200, accept)
    assert_close(READERS[accept](answer.body), model, counts)


def test_a_body_in_chunks_is_answered_as_the_sagemaker_sdk_sends_it(
    service: Service, model: NeuralTopicModel, counts: csr_matrix
) -> None:
    body = encode_counts(counts)
    pieces = [body[start : start + 7] for start in range(0, len(body), 7)]
    answer = service.ask("POST", "/invocations", pieces, {"Content-Type": RECORDIO, "Accept": RECORDIO})
    assert answer.status == 200
    assert_close(read_recordio(answer.body), model, counts)


def test_csv_without_a_newline_at_the_end_is_answered(service: Service, model: NeuralTopicModel) -> None:
    answer = service.ask("POST", "/invocations", ROW, {"Content-Type": CSV})
    assert_close(read_json(answer.body), model, csr_matrix(np.ones((1, 40), np.float32)))


def test_one_connection_serves_many_requests_good_and_bad(
    service: Service, model: NeuralTopicModel, counts: csr_matrix
) -> None:
    connection = service.connect()
    try:
        connection.connect()
        opened = connection.sock
        for body, status in [(encode_csv(counts), 200), (b"broken", 400), (b"", 204), (encode_csv(counts), 200)]:
            connection.request("POST", "/invocations", body, {"Content-Type": CSV})
            response = connection.getresponse()
            content = response.read()
            assert response.status == status
            if status == 200:
                assert_close(read_json(content), model, counts)
        assert connection.sock is opened
    finally:
        connection.close()


def test_malformed_bodies_are_400_in_one_plain_line_and_the_service_goes_on(service: Service) -> None:
    service.wait_until(lambda: len(service.workers) == 2)
    workers = service.workers
    for name, (content_type, body, expected) in MALFORMED.items():
        answer = service.ask("POST", "/invocations", body, {"Content-Type": content_type})
        text = answer.body.decode()
        assert (answer.status, answer.headers["Content-Type"]) == (400, "text/plain; charset=utf-8"), name
        assert len(text.splitlines()) == 1, name
        assert expected in text, name
    assert service.workers == workers
    assert "Traceback" not in service.log


def send(service: Service, *pieces: bytes) -> bytes:
    """Send raw bytes and return everything that comes back."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while block := connection.recv(65536):
            received += block
        return received


POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /ping HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        POST + b"Content-Length: minus one\r\n\r\n",
        POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        POST + b"Bad\x00Name: 1\r\n\r\n",
        POST + b"No colon here\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n1,2\r\n0\r\n\r\n",
        POST + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_a_4xx_in_one_plain_line(service: Service, request_bytes: bytes) -> None:
    head, _, body = send(service, request_bytes).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 4"), head
    assert b"text/plain" in head
    assert len(body.splitlines()) == 1
    assert service.answers_ping()


def test_control_characters_in_headers_do_no_harm(service: Service) -> None:
    attributes = b"X-Amzn-SageMaker-Custom-Attributes: \xff\xfe \r\n"
    for odd in (b"Accept: \xff\xfe;q=\xe9\r\n", b"Accept: a,,;;,=;q\r\n", attributes, b"Content-Type: \xe9\r\n"):
        head, _, _ = send(service, POST + odd + b"Content-Length: 1\r\nConnection: close\r\n\r\n1").partition(
            b"\r\n\r\n"
        )
        assert head.startswith(b"HTTP/1.1 4"), odd
        assert b"\xff" not in head


def test_clients_that_stop_in_the_middle_hold_up_nobody(service: Service) -> None:
    stalled = [socket.create_connection(("127.0.0.1", service.port), timeout=30) for _ in range(8)]
    try:
        for number, connection in enumerate(stalled):
            connection.sendall((POST + b"Content-Length: 1000\r\n\r\n1,2")[: (4, 40, -3, None)[number % 4]])
        for _ in range(10):
            assert service.ask("GET", "/ping", timeout=2).status == 200
            assert service.ask("POST", "/invocations", ROW, {"Content-Type": CSV}, timeout=2).status == 200
    finally:
        for connection in stalled:
            connection.close()


def test_no_process_of_the_service_has_loaded_torch(service: Service) -> None:
    for pid in [service.process.pid, *service.workers]:
        libraries = Path(f"/proc/{pid}/maps").read_text()
        assert "numpy" in libraries
        assert "torch" not in libraries


def test_the_linear_algebra_starts_no_threads_of_its_own(service: Service) -> None:
    assert "OPENBLAS_NUM_THREADS=1\0" in Path(f"/proc/{service.process.pid}/environ").read_text()
    assert len(list(Path(f"/proc/{service.process.pid}/task").iterdir())) == 1


def test_every_log_line_is_as_sagemakers_images_write_it(service: Service) -> None:
    first, *lines = service.log.splitlines()
    assert first == "Docker entrypoint called with argument(s): serve"
    assert lines
    for line in lines:
        if line.startswith("{"):
            assert json.loads(line)["status"] >= 200
            continue
        assert line[0] == "["
        assert line[21:].split(" ")[0] in ("DEBUG", "INFO", "WARNING", "ERROR"), line


def test_a_killed_worker_is_replaced_and_the_service_goes_on(base: Path) -> None:
    with Service(base, {"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}) as running:
        running.wait_until(lambda: len(running.workers) == 2)
        before = running.workers
        os.kill(before[0], signal.SIGKILL)
        assert running.ask("POST", "/invocations", ROW, {"Content-Type": CSV}).status == 200
        running.wait_until(lambda: len(running.workers) == 2 and before[0] not in running.workers)
        assert running.ask("POST", "/invocations", ROW, {"Content-Type": CSV}).status == 200
        status, _ = running.stop()
    assert status == 0


HOLD_BACK = """
import os, signal
from topicdock.serving.worker import hold_back_signals
hold_back_signals()
child = os.fork()
held = signal.SIGTERM in signal.pthread_sigmask(signal.SIG_BLOCK, [])
if not child:
    os._exit(1 if held else 0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), held)
"""


def test_a_stop_waits_until_a_new_worker_can_take_it() -> None:
    result = subprocess.run([sys.executable, "-c", HOLD_BACK], capture_output=True, text=True, check=True)
    assert result.stdout == "1 False\n"  # held back in the child, not in the parent


def test_a_service_stopped_as_soon_as_it_answers_ends_at_once(base: Path) -> None:
    with Service(base, {"SAGEMAKER_MODEL_SERVER_WORKERS": "8"}) as running:
        status, seconds = running.stop()
    assert status == 0
    assert seconds < 15


def test_sigterm_ends_an_idle_service_with_0_at_once(base: Path) -> None:
    with Service(base) as running:
        kept_alive = running.connect()
        kept_alive.request("GET", "/ping")
        kept_alive.getresponse().read()
        status, seconds = running.stop()
        kept_alive.close()
    assert status == 0
    assert seconds < 5


def test_sigterm_lets_a_request_in_flight_finish(base: Path) -> None:
    with Service(base, {"SAGEMAKER_MODEL_SERVER_WORKERS": "1"}) as running:
        connection = socket.create_connection(("127.0.0.1", running.port), timeout=30)
        # "100 Continue" says that the service has begun with this request.
        connection.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 79\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        running.process.send_signal(signal.SIGTERM)
        running.wait_until(lambda: "Handling signal: term" in running.log)
        connection.sendall(ROW)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200")
        connection.close()
        assert running.process.wait(30) == 0


def run_to_the_end(base: Path, extra: dict[str, str] | None = None) -> tuple[int, list[str]]:
    environment = environment_for(base, {"SAGEMAKER_BIND_TO_PORT": str(find_free_port()), **(extra or {})})
    ended = subprocess.run(
        [COMMAND], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, cwd="/", check=False
    )
    first, *lines = ended.stdout.decode().splitlines()
    assert first == "Docker entrypoint called with argument(s): serve"
    return ended.returncode, lines


@pytest.mark.parametrize(("damage", "expected"), [("missing", "no model to serve"), ("cut short", "damaged")])
def test_a_model_that_cannot_be_loaded_ends_with_1_and_one_clear_sentence(
    tmp_path: Path, model: NeuralTopicModel, damage: str, expected: str
) -> None:
    if damage == "cut short":
        whole = save_model(model, tmp_path / "model")
        whole.write_bytes(whole.read_bytes()[:1000])
    status, lines = run_to_the_end(tmp_path)
    assert status == 1
    assert len(lines) == 1
    assert " ERROR " in lines[0]
    assert f"] ClientError: {tmp_path / 'model'}" in lines[0]
    assert expected in lines[0]


def test_bad_settings_end_with_1_and_one_line_that_names_them_all(base: Path) -> None:
    status, lines = run_to_the_end(
        base, {"SAGEMAKER_MODEL_SERVER_WORKERS": "many", "SAGEMAKER_MODEL_SERVER_TIMEOUT": "0"}
    )
    assert status == 1
    assert len(lines) == 1
    assert "ClientError: environment: SAGEMAKER_MODEL_SERVER_WORKERS is 'many', allowed: " in lines[0]
    assert "SAGEMAKER_MODEL_SERVER_TIMEOUT is '0'" in lines[0]
