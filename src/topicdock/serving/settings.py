"""How the service is to run: the environment variables that users of SageMaker's own images know.

Only this file of the room knows their names; ``docs/serving.md`` describes them for users.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from topicdock.corpus import JSON
from topicdock.errors import CustomerError
from topicdock.machine import Machine
from topicdock.serving.responses import RESPONSE_TYPES

MEGABYTE = 1 << 20
LARGEST_TRANSFORM_PAYLOAD = 100
"""Megabytes: batch transform sends no more than this at once, all concurrent requests together."""

_UNLIMITED_TRANSFORM_PAYLOAD = 1024
"""Megabytes to accept when batch transform is told not to limit its chunked requests (0 megabytes)."""

_MEMORY_PER_WORKER = 1 << 30
_LEVELS = {"DEBUG": logging.DEBUG, "INFO": logging.INFO, "WARNING": logging.WARNING, "ERROR": logging.ERROR}
_SWITCH = {
    "1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False,
}  # fmt: skip
_SET_BY_HOSTS = (
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_EXECUTION_ENV", "ECS_CONTAINER_METADATA_URI", "SAGEMAKER_BATCH",
    "SAGEMAKER_REGION", "SAGEMAKER_SAFE_PORT_RANGE",
)  # fmt: skip

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """Everything about the service that its operator can choose.

    Attributes
    ----------
    port : int
    workers : int
        Processes that answer requests.
    timeout : int
        Seconds for a request body to arrive, and for a request to wait for its turn.
    default_accept : str
        The response type for requests that leave it open.
    strict_accept : bool
        Answer 406 to an Accept header that nothing matches, instead of the default type as the built-ins do.
    body_limit : int
        Bytes of a request body, before and after decompression.
    log_level : int
    multi_model : bool
        Serve the models that SageMaker loads by name, instead of the one in the model folder.
    models_limit : int
        Bytes that all models together may take, where there are many.
    page : bool
        Show the model to people at ``/``.
    access_log : bool
        Write a line for each request.
    metrics : bool
        Answer ``GET /metrics``.
    """

    port: int = 8080
    workers: int = 1
    timeout: int = 60
    default_accept: str = JSON
    strict_accept: bool = False
    body_limit: int = LARGEST_TRANSFORM_PAYLOAD * MEGABYTE
    log_level: int = logging.INFO
    multi_model: bool = False
    models_limit: int = 1 << 30
    page: bool = False
    access_log: bool = True
    metrics: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], machine: Machine) -> Settings:
        """Return the settings that the environment asks for on this machine.

        Raises
        ------
        CustomerError
            Values are not allowed; all of them are named.
        """
        reader = _Reader(environment)
        payload = reader.number("SAGEMAKER_MAX_PAYLOAD_IN_MB", LARGEST_TRANSFORM_PAYLOAD, 0, 1024)
        settings = cls(
            port=reader.number("SAGEMAKER_BIND_TO_PORT", cls.port, 1, 65535),
            workers=reader.number("SAGEMAKER_MODEL_SERVER_WORKERS", _choose_workers(machine), 1, 256),
            timeout=reader.number(
                "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
                reader.number("SAGEMAKER_MODEL_SERVER_TIMEOUT", cls.timeout, 1, 3600),
                1,
                3600,
            ),
            default_accept=reader.choice(
                "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", cls.default_accept, {name: name for name in RESPONSE_TYPES}
            ),
            strict_accept=reader.choice("TOPICDOCK_STRICT_ACCEPT", cls.strict_accept, _SWITCH),
            body_limit=reader.number(
                "MAX_CONTENT_LENGTH", (payload or _UNLIMITED_TRANSFORM_PAYLOAD) * MEGABYTE, 1, 1024 * MEGABYTE
            ),
            log_level=reader.log_level("SAGEMAKER_CONTAINER_LOG_LEVEL", cls.log_level),
            page=reader.choice("TOPICDOCK_PAGE", not _is_hosted(environment), _SWITCH),
            access_log=reader.choice("TOPICDOCK_ACCESS_LOG", cls.access_log, _SWITCH),
            metrics=reader.choice("TOPICDOCK_METRICS", cls.metrics, _SWITCH),
            multi_model=reader.choice("SAGEMAKER_MULTI_MODEL", cls.multi_model, _SWITCH),
            models_limit=MEGABYTE
            * reader.number("TOPICDOCK_MODELS_IN_MB", max(machine.memory // 2 // MEGABYTE, 1), 1, 1 << 24),
        )
        reader.raise_for_mistakes()
        return settings


def _is_hosted(environment: Mapping[str, str]) -> bool:
    # What SageMaker's hosts set and nobody sets by hand. The page cannot be reached there anyway.
    return any(name in environment for name in _SET_BY_HOSTS)


def _choose_workers(machine: Machine) -> int:
    # A serverless endpoint has one or two gigabytes, and AWS recommends one worker there.
    return max(1, min(machine.cores, machine.memory // _MEMORY_PER_WORKER))


class _Reader:
    """Reads variables one by one and keeps the mistakes, so that all are reported together."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._mistakes: list[str] = []

    def number(self, name: str, default: int, lowest: int, highest: int) -> int:
        text = self._text(name)
        if not text:
            return default
        # isdecimal() is true of digits of every script; int() of thousands of them is slow.
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and lowest <= int(text) <= highest):
            self._reject(name, f"a whole number from {lowest} to {highest}")
            return default
        return int(text)

    def choice(self, name: str, default: T, values: Mapping[str, T]) -> T:
        text = self._text(name)
        if text and text.lower() not in values:
            self._reject(name, ", ".join(values))
        return values.get(text.lower(), default)

    def log_level(self, name: str, default: int) -> int:
        text = self._text(name).upper()
        if text in _LEVELS:
            return _LEVELS[text]
        if text and not (text.isascii() and text.isdecimal() and int(text[:3]) <= logging.CRITICAL):
            self._reject(name, f"{', '.join(_LEVELS)}, or a number from 0 to {logging.CRITICAL}")
            return default
        return int(text) if text else default

    def raise_for_mistakes(self) -> None:
        if self._mistakes:
            raise CustomerError(
                "; ".join(self._mistakes), where="environment", todo="correct or remove these variables"
            )

    def _text(self, name: str) -> str:
        return self._environment.get(name, "").strip()

    def _reject(self, name: str, allowed: str) -> None:
        self._mistakes.append(f"{name} is {self._environment[name][:100]!r}, allowed: {allowed}")
