"""An hour's worth of good and hostile requests in five minutes, and what must be true all the while.

    scripts/benchmark soak                    five minutes
    scripts/benchmark soak --seconds 20       a short one

Against the real service with two workers: clients that ask in every format and compare every answer with the first one
byte by byte, clients that send what is broken, too large or cut off, connections that stand still, a health check.
No answer may be 5xx but 503, no health check may take two seconds, no worker may die, and memory must not grow.
"""

from __future__ import annotations

import argparse
import gzip
import random
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from pathlib import Path

import numpy as np

from benchmarks.reading import draw_corpus
from benchmarks.serving import weigh
from tests.models import random_model
from tests.serving.malformed import MALFORMED
from tests.serving.service import Answer, Service
from topicdock.artifact import save_model
from topicdock.corpus import CSV, JSON, JSONLINES, RECORDIO, encode_counts, encode_csv, encode_json, encode_jsonlines

FEATURES = 2_000
GOOD_CLIENTS, HOSTILE_CLIENTS, IDLE_CONNECTIONS = 6, 4, 50
REST = 3.0
"""Seconds that all clients rest, again and again, for memory to be measured with no request in flight."""

PING_LIMIT = 2.0
GROWTH_LIMIT = 1.1
"""Memory in the last quarter over memory in the second; in the first one the largest requests still come anew."""

_POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n"


@dataclass(frozen=True)
class Request:
    """A request that has one right answer."""

    body: bytes
    headers: dict[str, str]


@dataclass
class Findings:
    """What happened."""

    statuses: Counter[int] = field(default_factory=Counter)
    different: int = 0
    broken_off: int = 0
    pings: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    workers_before: list[int] = field(default_factory=list)
    workers_after: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def growth(self) -> float:
        """How many times its memory at rest in the second quarter of the time the service takes in the last one."""
        _, second, _, last = self.quarters
        return last / second

    @property
    def quarters(self) -> list[float]:
        """MB of the service at rest, by quarters of the time."""
        return [float(np.median(part)) for part in np.array_split(self.memory, 4)]

    def judge(self) -> list[str]:
        """Return everything that should not have happened."""
        failures = {status: number for status, number in self.statuses.items() if status >= 500 and status != 503}
        wrong = [f"{number} answers {status}" for status, number in failures.items()]
        if self.different:
            wrong.append(f"{self.different} answers differed from the first one to the same request")
        if max(self.pings) >= PING_LIMIT:
            wrong.append(f"a health check took {max(self.pings):.2f} s")
        if self.growth > GROWTH_LIMIT:
            wrong.append(f"memory grew {self.growth:.2f} times")
        if self.workers_before != self.workers_after:
            wrong.append(f"workers were replaced: {self.workers_before}, {self.workers_after}")
        return wrong + self.errors


def make_requests() -> list[Request]:
    """Return good requests of every kind, from one document to a thousand."""
    requests = []
    for documents in (1, 1, 20, 200, 1_000):
        counts = draw_corpus(documents, FEATURES, seed=documents)
        for content_type, body in (
            (CSV, encode_csv(counts)),
            (JSON, encode_json(counts)),
            (JSONLINES, encode_jsonlines(counts)),
            (RECORDIO, encode_counts(counts)),
            (RECORDIO, encode_counts(counts, dense=True)),
        ):
            requests += [
                Request(body, {"Content-Type": content_type, "Accept": accept})
                for accept in (JSON, JSONLINES, RECORDIO, f"{JSON}; verbose=true")
            ]
            requests.append(Request(gzip.compress(body, 1), {"Content-Type": content_type, "Content-Encoding": "gzip"}))
        text = "\n".join(" ".join(f"word{word}" for word in row.indices) for row in counts)
        requests.append(Request(text.encode(), {"Content-Type": "text/plain", "Accept": f"{JSON}; verbose=true"}))
    return requests


def attacks(service: Service, dice: random.Random) -> list[Callable[[], int]]:
    """Return what hostile clients do, each returning the status that it got, or 0 for none."""
    bomb = gzip.compress(bytes(300 << 20), 1)
    good = encode_csv(draw_corpus(200, FEATURES))

    def malformed() -> int:
        content_type, body, _ = dice.choice(list(MALFORMED.values()))
        return service.ask("POST", "/invocations", body, {"Content-Type": content_type}).status

    def damaged() -> int:
        body = bytearray(good[: dice.randrange(1, len(good))])
        for _ in range(5):
            body[dice.randrange(len(body))] = dice.randrange(256)
        headers = {"Content-Type": dice.choice([CSV, JSON, RECORDIO])}
        return service.ask("POST", "/invocations", bytes(body), headers).status

    def explosive() -> int:
        headers = {"Content-Type": CSV, "Content-Encoding": "gzip"}
        return service.ask("POST", "/invocations", bomb, headers).status

    def raw(*pieces: bytes) -> int:
        with socket.create_connection(("127.0.0.1", service.port), 30) as connection:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(0.05)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(1 << 16)
        return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0

    def cut_off() -> int:
        return raw(_POST + b"Content-Length: 100000\r\n\r\n" + good[:1000])

    def no_http() -> int:
        return raw(dice.randbytes(200) + b"\r\n\r\n")

    def slow() -> int:
        pieces = [_POST[place : place + 10] for place in range(0, len(_POST), 10)]
        return raw(*pieces, b"Content-Length: 1\r\n\r\n", b"1")

    def gone() -> int:
        with socket.create_connection(("127.0.0.1", service.port), 30) as connection:
            connection.sendall(_POST + b"Content-Length: %d\r\n\r\n" % len(good) + good)
        return 0

    def lost() -> int:
        return service.ask(dice.choice(["GET", "PUT", "DELETE"]), "/invocations/" + "x" * dice.randrange(3000)).status

    return [malformed, damaged, damaged, explosive, cut_off, no_http, slow, gone, lost]


class _Load:
    """Clients that ask until they are told to stop, and what they find."""

    def __init__(self, service: Service, seed: int) -> None:
        self.service, self.findings = service, Findings()
        self.over = threading.Event()
        self.going = threading.Event()
        self._requests = make_requests()
        self._expected = [self._ask(request) for request in self._requests]
        self.findings.errors += [f"a good request is {a.status}" for a in self._expected if a.status != 200]
        good = [partial(self._ask_well, random.Random(seed + number)) for number in range(GOOD_CLIENTS)]  # noqa: S311
        hostile = [self._hostile(random.Random(seed + 100 + number)) for number in range(HOSTILE_CLIENTS)]  # noqa: S311
        actions = [self._ping, *good, *hostile]
        self.threads = [threading.Thread(target=self._repeat, args=[action]) for action in actions]

    def check_once_more(self) -> None:
        """Compare the answers to all good requests, now that nobody else asks."""
        again = [self._ask(request) for request in self._requests]
        changed = sum(first.body != second.body for first, second in zip(self._expected, again, strict=True))
        self.findings.different += changed

    def _ask(self, request: Request) -> Answer:
        return self.service.ask("POST", "/invocations", request.body, request.headers)

    def _ask_well(self, dice: random.Random) -> int:
        place = dice.randrange(len(self._requests))
        answer = self._ask(self._requests[place])
        if answer.status == 200 and answer.body != self._expected[place].body:
            self.findings.different += 1
        elif answer.status not in (200, 503):
            self.findings.errors.append(f"a good request is {answer.status}: {answer.body[:200]!r}")
        return answer.status

    def _hostile(self, dice: random.Random) -> Callable[[], int]:
        choices = attacks(self.service, dice)
        return lambda: dice.choice(choices)()

    def _ping(self) -> int:
        began = time.perf_counter()
        status = self.service.ask("GET", "/ping", timeout=30).status
        self.findings.pings.append(time.perf_counter() - began)
        self.over.wait(0.2)
        return status

    def _repeat(self, action: Callable[[], int]) -> None:
        while self.going.wait() and not self.over.is_set():
            try:
                self.findings.statuses[action()] += 1
            except (OSError, HTTPException):
                self.findings.broken_off += 1  # the service may hang up on who does not speak HTTP
            except Exception as error:  # noqa: BLE001 - to be reported, not to end a thread unseen
                self.findings.errors.append(repr(error))


def soak(base: Path, seconds: float, rests: int = 20, seed: int = 0) -> Findings:
    """Run the service whose model is below `base` under load, with so many rests, and return what happened."""
    with ExitStack() as stack:
        environment = {"SAGEMAKER_MODEL_SERVER_WORKERS": "2", "TOPICDOCK_ACCESS_LOG": "false"}
        service = stack.enter_context(Service(base, environment))
        service.wait_until(lambda: len(service.workers) == 2)
        load = _Load(service, seed)
        load.findings.workers_before = service.workers
        for _ in range(IDLE_CONNECTIONS):
            stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
        for thread in load.threads:
            thread.start()
        for _ in range(rests):
            load.going.set()
            time.sleep(seconds / rests)
            load.going.clear()
            time.sleep(REST)
            load.findings.memory.append(weigh(service.process.pid)[0])
        load.over.set()
        load.going.set()
        for thread in load.threads:
            thread.join()
        load.findings.workers_after = service.workers
        load.check_once_more()
        return load.findings


def prepare(base: Path) -> None:
    """Save the model that is served."""
    vocabulary = tuple(f"word{number}" for number in range(FEATURES))
    save_model(random_model(FEATURES, 20, layers=(100, 50), vocabulary=vocabulary), base / "model")


def main() -> int:
    """Print what happened; 1 if anything of it should not have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        prepare(Path(folder))
        findings = soak(Path(folder), options.seconds)
    write = sys.stdout.write
    statuses = ", ".join(f"{status or 'none'}: {number:,}" for status, number in sorted(findings.statuses.items()))
    write(f"answers by status: {statuses}; hung up: {findings.broken_off:,}\n")
    write(f"health checks: {len(findings.pings):,}, the slowest {max(findings.pings):.3f} s\n")
    memory = findings.memory
    quarters = ", ".join(f"{quarter:.0f}" for quarter in findings.quarters)
    write(f"memory at rest, MB: {min(memory):.0f} to {max(memory):.0f}; by quarters of the time: {quarters}\n")
    wrong = findings.judge()
    write("".join(f"WRONG: {line}\n" for line in wrong[:20]) or "nothing went wrong\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
