"""How fast and how small the service is, beside a plain endpoint: start, memory, latency, documents a second.

    scripts/benchmark serving                     both, with two workers each, 8 clients, V = 2,000, K = 20
    scripts/benchmark serving --runs 5            medians of more runs

The clients of a case are one process that keeps their connections; each waits for its answer before it asks again. They
share the machine's cores with the service, so they do as little as can be, for both endpoints alike. Runs alternate
between the two, so that other work on the machine meets both.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import select
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.reading import draw_corpus
from tests.models import random_model
from topicdock.artifact import save_model
from topicdock.corpus import CSV, JSON, RECORDIO, encode_counts, encode_csv, encode_json

ROOT = Path(__file__).resolve().parents[1]
FEATURES, TOPICS, LAYERS = 2_000, 20, (100, 50)
CLIENTS, WORKERS = 8, 2


@dataclass(frozen=True)
class Case:
    """A request that is sent again and again."""

    name: str
    content_type: str
    body: bytes
    documents: int
    clients: int
    seconds: float

    @property
    def request(self) -> bytes:
        """The bytes of the request."""
        head = f"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: {self.content_type}\r\n"
        return f"{head}Content-Length: {len(self.body)}\r\n\r\n".encode() + self.body


@dataclass(frozen=True)
class Endpoint:
    """A service that can be started."""

    name: str
    command: Sequence[str | Path]


def make_cases(seconds: float) -> list[Case]:
    """Return what is measured."""
    counts = draw_corpus(1_000, FEATURES)
    return [
        Case("1 document, JSON sparse", JSON, encode_json(counts[0]), 1, CLIENTS, seconds),
        Case("1 document, JSON sparse, 1 client", JSON, encode_json(counts[0]), 1, 1, seconds / 2),
        Case("1,000 documents, CSV", CSV, encode_csv(counts), 1_000, 1, seconds),
        Case("1,000 documents, sparse RecordIO", RECORDIO, encode_counts(counts), 1_000, 1, seconds),
        Case("1,000 documents, JSON sparse", JSON, encode_json(counts), 1_000, 1, seconds),
    ]


def send(connection: socket.socket, request: bytes) -> tuple[int, int]:
    """Send a request, read the answer to its end, and return its status and its size, head and all."""
    connection.sendall(request)
    received = connection.recv(1 << 16)
    while b"\r\n\r\n" not in received:
        received += connection.recv(1 << 16)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    got = len(body)
    while got < length:
        got += len(connection.recv(1 << 18))
    return int(head.split(b" ", 2)[1]), len(head) + 4 + length


def _ask(port: int, case: Case, results: multiprocessing.SimpleQueue[list[float]]) -> None:
    """Be the clients of a case, all in one process: each waits for its answer, then asks again.

    The first answer of each is read as HTTP; of the others only the bytes are counted, and their status looked at.
    """
    times: list[float] = []
    poll = select.epoll()
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(case.clients)]
    missing, began, expected = {}, {}, 0
    for client in clients:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        status, expected = send(client, case.request)
        if status != 200:
            raise RuntimeError(f"an answer was {status}")
        poll.register(client, select.EPOLLIN)
    by_number = {client.fileno(): client for client in clients}
    now = time.perf_counter
    end = now() + case.seconds
    for number, client in by_number.items():
        missing[number], began[number] = expected, now()
        client.sendall(case.request)
    while by_number:
        for number, _ in poll.poll():
            client = by_number[number]
            received = client.recv(1 << 18)
            if missing[number] == expected and not received.startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"an answer was {received[:100]!r}")
            missing[number] -= len(received)
            if missing[number] > 0:
                continue
            times.append(now() - began[number])
            if began[number] + times[-1] > end:
                poll.unregister(client)
                del by_number[number]
                continue
            missing[number], began[number] = expected, now()
            client.sendall(case.request)
    results.put(times)


def measure(port: int, case: Case, pid: int) -> tuple[float, ...]:
    """Return the median and the 99th percentile of the latency, documents a second, and processor time a request.

    Times are milliseconds; the last one is that of the service, whatever else the machine does.
    """
    results: multiprocessing.SimpleQueue[list[float]] = multiprocessing.SimpleQueue()
    clients = multiprocessing.Process(target=_ask, args=(port, case, results))
    before = spend(pid)
    clients.start()
    times = results.get()
    clients.join()
    p50, p99 = 1e3 * np.percentile(times, [50, 99])
    spent = 1e3 * (spend(pid) - before) / (len(times) + case.clients)
    return float(p50), float(p99), len(times) * case.documents / case.seconds, spent


@contextmanager
def started(endpoint: Endpoint, base: Path, port: int) -> Iterator[tuple[int, float]]:
    """Start an endpoint; give its process and the seconds until its health check was answered."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": str(WORKERS),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    began = time.perf_counter()
    with (base / "log").open("ab") as log:
        process = subprocess.Popen(endpoint.command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port), 1) as connection:
                    if send(connection, b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200:
                        break
            except OSError:
                if process.poll() is not None:
                    raise RuntimeError((base / "log").read_text()) from None
                time.sleep(0.005)
        yield process.pid, time.perf_counter() - began
    finally:
        process.terminate()
        process.wait(60)


def family(pid: int) -> list[int]:
    """Return a process and those that it started, and so on."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


def spend(pid: int) -> float:
    """Return the seconds of processor time that a process and its children have taken."""
    ticks = 0
    for member in family(pid):
        fields = Path(f"/proc/{member}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def weigh(pid: int) -> tuple[float, float]:
    """Return the memory of a process and its children, MB: all of it (shared pages once), and what is not shared."""
    total = private = 0
    for member in family(pid):
        lines = Path(f"/proc/{member}/smaps_rollup").read_text().splitlines()[1:]
        sizes = {line.split(":")[0]: int(line.split()[1]) for line in lines}
        total += sizes["Pss"]
        private += sizes["Private_Clean"] + sizes["Private_Dirty"]
    return total / 1024, private / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="of each case in each run")
    options = parser.parse_args()
    multiprocessing.set_start_method("fork")
    cases = make_cases(options.seconds)
    figures: dict[tuple[str, str], list[tuple[float, ...]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        save_model(random_model(FEATURES, TOPICS, layers=LAYERS), base / "model")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        plain = [
            "gunicorn", "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--threads", str(CLIENTS),
            "--preload", f'benchmarks.plain_endpoint:make_app("{base / "model"}")',
        ]  # fmt: skip
        endpoints = [Endpoint("topicdock", [ROOT / "container" / "serve"]), Endpoint("plain", plain)]
        for _ in range(options.runs):
            for endpoint in endpoints:
                with started(endpoint, base, port) as (pid, seconds):
                    figures.setdefault((endpoint.name, "start"), []).append((seconds,))
                    time.sleep(1)  # until all workers are there
                    figures.setdefault((endpoint.name, "memory"), []).append(weigh(pid))
                    for case in cases:
                        figures.setdefault((endpoint.name, case.name), []).append(measure(port, case, pid))
                    figures.setdefault((endpoint.name, "memory after"), []).append(weigh(pid))
    report(figures, endpoints, cases)


def report(
    figures: dict[tuple[str, str], list[tuple[float, ...]]], endpoints: Sequence[Endpoint], cases: Sequence[Case]
) -> None:
    """Write medians as a table in Markdown."""
    write = sys.stdout.write
    write(
        f"| {'':52} | {' | '.join(f'{endpoint.name:>16}' for endpoint in endpoints)} | ratio |\n"
        "| --- | --- | --- | --- |\n"
    )
    middle = {key: tuple(median(column) for column in zip(*rows, strict=True)) for key, rows in figures.items()}

    def row(name: str, key: str, form: str, unit: int, larger_is_better: bool = False) -> None:
        ours, theirs = (middle[endpoint.name, key] for endpoint in endpoints)
        ratio = ours[unit] / theirs[unit] if larger_is_better else theirs[unit] / ours[unit]
        write(f"| {name:52} | {form.format(*ours):>16} | {form.format(*theirs):>16} | {ratio:5.1f} |\n")

    row("start to /ping 200, s", "start", "{:.2f}", 0)
    row("memory, all / not shared, MB", "memory", "{:.0f} / {:.0f}", 0)
    row("memory after the requests", "memory after", "{:.0f} / {:.0f}", 0)
    for case in cases:
        row(f"{case.name}, p50 / p99, ms", case.name, "{:.1f} / {:.1f}", 0)
        row("  documents/s", case.name, "{2:,.0f}", 2, larger_is_better=True)
        row("  processor time a request, ms", case.name, "{3:.2f}", 3)


if __name__ == "__main__":
    main()
