"""Log lines as SageMaker's own images print them, and the metric lines that its regular expressions pick up."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TextIO

from topicdock.errors import CustomerError

LINE_FORMAT = "[%(asctime)s %(levelname)s %(thread)d] %(message)s"
TIME_FORMAT = "%m/%d/%Y %H:%M:%S"
METRICS = "#metrics"


def configure_logging(level: int = logging.INFO, stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (standard output), in the format of SageMaker's images."""
    stream = stream or sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # names of files may hold what is no character
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(LINE_FORMAT, TIME_FORMAT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)


class _Formatter(logging.Formatter):
    """Puts the prefix before every message except ``#metrics`` lines, which have none."""

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage() if str(record.msg).startswith(METRICS) else super().format(record)


def parse_level(text: str) -> int:
    """Return the level that ``SAGEMAKER_CONTAINER_LOG_LEVEL`` asks for: a number, a name, or nothing, which is INFO.

    Raises
    ------
    CustomerError
        It is none of them.
    """
    levels = logging.getLevelNamesMapping()
    name = text.strip().upper() or "INFO"
    if name.isascii() and name.isdigit():
        return int(name[:3])
    if name not in levels:
        raise CustomerError(
            "there is no such log level",
            where="environment variable SAGEMAKER_CONTAINER_LOG_LEVEL",
            got=repr(text[:60]),
            allowed=f"a number, or {', '.join(levels)}",
        )
    return levels[name]


@dataclass(frozen=True)
class Measurement:
    """One quantity of a ``#metrics`` line: how often it was taken, its sum and its extremes. Times are milliseconds."""

    total: float
    count: int
    smallest: float
    largest: float

    @classmethod
    def of(cls, *values: float) -> Measurement:
        """Return the measurement that sums up `values`, of which there is at least one."""
        return cls(sum(values), len(values), min(values), max(values))


def format_metrics(
    started: float, ended: float, dimensions: Mapping[str, str | int], measurements: Mapping[str, Measurement]
) -> str:
    """Return a ``#metrics`` line, which carries no prefix and is followed by an empty line.

    Parameters
    ----------
    started, ended : float
        Seconds since the epoch.
    dimensions : mapping
        What the figures belong to: Algorithm, Host, Operation, perhaps epoch (counted from 0) and Meta.
    """
    figures = {
        name: {"sum": m.total, "count": m.count, "min": m.smallest, "max": m.largest}
        for name, m in measurements.items()
    }
    content = {"StartTime": started, "EndTime": ended, "Dimensions": dict(dimensions), "Metrics": figures}
    return f"{METRICS} {json.dumps(content)}\n"


def format_quality(
    host: str, channel: str, metric: str, value: float, *, kind: str = "loss", epoch: int | None = None
) -> str:
    """Return the ``#quality_metric`` line of one figure; without `epoch` (counted from 1), that of a final test."""
    when = "" if epoch is None else f" epoch={epoch},"
    return f"#quality_metric: host={host},{when} {channel} {metric} <{kind}>={value}"


def format_progress(host: str, percent: float) -> str:
    """Return the ``#progress_metric`` line; `percent` runs from 0 to 100."""
    return f"#progress_metric: host={host}, completed {percent} % of epochs"


def format_throughput(host: str, records_per_second: float) -> str:
    """Return the ``#throughput_metric`` line of one epoch."""
    return f"#throughput_metric: host={host}, train throughput={records_per_second} records/second"


def metric_definitions(names: Iterable[str]) -> list[dict[str, str]]:
    """Return the MetricDefinitions, by name, that a custom image's user hands to an Estimator or a tuner."""
    return [{"Name": name, "Regex": _REGULAR_EXPRESSIONS[name]} for name in names]


_REGULAR_EXPRESSIONS = {
    "train:total_loss": r"#quality_metric: host=\S+, epoch=\S+, train total_loss <loss>=(\S+)",
    "validation:total_loss": r"#quality_metric: host=\S+, epoch=\S+, validation total_loss <loss>=(\S+)",
    "test:total_loss": r"#quality_metric: host=\S+, test total_loss <loss>=(\S+)",
    "test:pwll": r"#quality_metric: host=\S+, test pwll <score>=(\S+)",
    "train:progress": r"#progress_metric: host=\S+, completed (\S+) %",
    "train:throughput": r"#throughput_metric: host=\S+, train throughput=(\S+) records/second",
}
