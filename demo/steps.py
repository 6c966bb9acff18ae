"""The steps that both tours take: train, serve, ask."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from demo import show
from demo.endpoint import Answer, Endpoint, serving
from demo.job import train
from demo.screen import following, say, say_step
from topicdock.contract.layout import Layout


def run_training(layout: Layout) -> None:
    """Run ``container/train`` and show how it proceeds."""
    hyperparameters = " ".join(layout.hyperparameters.read_text(encoding="utf-8").split())
    say_step("Training: container/train, as SageMaker starts it")
    say(f"   hyperparameters.json  {hyperparameters}")
    log = layout.base / "train.log"
    say(f"   log                   {log}")
    began = time.monotonic()
    with following() as on_progress:
        train(layout, log, on_progress)
    say(f"   done in {time.monotonic() - began:.0f} s")


@contextmanager
def run_service(layout: Layout) -> Iterator[Endpoint]:
    """Run ``container/serve`` while the block lasts."""
    say_step("Serving: container/serve, as SageMaker starts it")
    began = time.monotonic()
    with serving(layout, layout.base / "serve.log") as endpoint:
        say(f"   GET  /ping         200 after {time.monotonic() - began:.1f} s, port {endpoint.port}")
        yield endpoint


def post(endpoint: Endpoint, body: bytes, content_type: str) -> Answer:
    """Post documents, and show the beginning and the end of what goes and of what comes."""
    answer = endpoint.invoke(body, content_type)
    lines = body.decode().splitlines()
    say(
        f"   POST /invocations  200 in {1000 * answer.seconds:.0f} ms, {content_type}, "
        f"{len(answer.theta):,} documents, {len(body):,} bytes"
    )
    say(f"     sent      {show.abbreviate(lines[0], 84)}")
    say(f"     received  {show.abbreviate(answer.body.decode(), 84)}")
    return answer
