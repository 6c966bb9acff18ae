"""Log and metric lines are those that SageMaker's regular expressions pick up."""

from __future__ import annotations

import io
import json
import logging
import re
from pathlib import Path

import pytest

from topicdock.contract.failure import MAX_LENGTH, failure_text, report_failure
from topicdock.contract.layout import Layout
from topicdock.contract.logs import (
    Measurement,
    configure_logging,
    format_metrics,
    format_progress,
    format_quality,
    format_throughput,
    metric_definitions,
    parse_level,
)
from topicdock.errors import CustomerError, PlatformError


@pytest.mark.parametrize(
    ("name", "line", "captured"),
    [
        ("train:total_loss", format_quality("algo-1", "train", "total_loss", 7.02, epoch=1), "7.02"),
        ("validation:total_loss", format_quality("algo-1", "validation", "total_loss", 6.5, epoch=75), "6.5"),
        ("test:total_loss", format_quality("algo-1", "test", "total_loss", 6.25), "6.25"),
        ("test:pwll", format_quality("algo-1", "test", "pwll", -7.5, kind="score"), "-7.5"),
        ("train:progress", format_progress("algo-1", 50.0), "50.0"),
        ("train:throughput", format_throughput("algo-1", 3061.5), "3061.5"),
    ],
)
def test_each_metric_line_is_found_by_its_regular_expression(name: str, line: str, captured: str) -> None:
    regex = metric_definitions([name])[0]["Regex"]
    assert re.findall(regex, f"[06/08/2021 20:16:02 INFO 140068851631936] {line}") == [captured]
    others = metric_definitions({"train:total_loss", "validation:total_loss", "test:total_loss", "test:pwll"} - {name})
    assert not any(re.search(other["Regex"], line) for other in others)


def test_metrics_lines_have_no_prefix_and_are_followed_by_an_empty_line() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    try:
        configure_logging(stream=stream)
        logging.getLogger("x").info("hello")
        logging.getLogger("x").info(format_metrics(1.0, 2.0, {"epoch": 0}, {"m": Measurement.of(3.0, 5.0)}))
    finally:
        root.handlers, root.level = handlers, level
        logging.captureWarnings(False)
    first, second, third, *_ = stream.getvalue().split("\n")
    assert re.fullmatch(r"\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO \d+\] hello", first)
    assert json.loads(second.removeprefix("#metrics ")) == {
        "StartTime": 1.0, "EndTime": 2.0, "Dimensions": {"epoch": 0},
        "Metrics": {"m": {"sum": 8.0, "count": 2, "min": 3.0, "max": 5.0}},
    }  # fmt: skip
    assert third == ""


def test_a_failure_says_whose_it_is_and_fits_the_api() -> None:
    assert failure_text(CustomerError("x")) == "ClientError: x."
    assert failure_text(PlatformError("Disk full.")) == "PlatformError: Disk full."
    assert failure_text(KeyError("k")).startswith("AlgorithmError: ")
    assert len(failure_text(CustomerError("x" * 5000))) == MAX_LENGTH


def test_an_error_tells_what_where_got_allowed_and_what_to_do() -> None:
    error = CustomerError("a count must be 0 or more", where="record 3", got="-1", allowed="0 or more", todo="mend it")
    assert str(error.inside("file a.pbr").inside("channel train")) == (
        "channel train, file a.pbr, record 3: a count must be 0 or more; got: -1; allowed: 0 or more; to do: mend it."
    )


def test_a_failure_for_want_of_memory_is_the_machines() -> None:
    error = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 120000000000 bytes.")
    assert failure_text(error).startswith("PlatformError: there is not enough memory")


def test_a_failure_text_may_hold_what_is_no_character(tmp_path: Path) -> None:
    assert report_failure(CustomerError("bad name \udcff.pbr"), Layout(tmp_path)) == 1
    assert (tmp_path / "output" / "failure").read_text() == "ClientError: bad name \\udcff.pbr."


@pytest.mark.parametrize(("text", "level"), [("", 20), ("10", 10), ("30", 30), ("debug", 10), (" Warning ", 30)])
def test_a_log_level_is_a_number_or_a_name(text: str, level: int) -> None:
    assert parse_level(text) == level


@pytest.mark.parametrize("text", ["loud", "-5", "²", "1e1"])
def test_another_log_level_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(CustomerError, match=r"SAGEMAKER_CONTAINER_LOG_LEVEL: there is no such log level.*WARNING"):
        parse_level(text)
