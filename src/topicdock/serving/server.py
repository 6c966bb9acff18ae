"""The server process: loads the model once, then lets gunicorn keep workers that share it."""

from __future__ import annotations

import errno
import gc
import logging
import os
import shutil
import socket
import struct
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from flask import Flask
from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]
from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from topicdock.artifact import load_model
from topicdock.contract.layout import Layout
from topicdock.contract.logs import configure_logging
from topicdock.errors import PlatformError, TopicdockError
from topicdock.machine import Machine
from topicdock.serving.access_log import AccessLog, Entry
from topicdock.serving.app import UNCOUNTED, create_app
from topicdock.serving.metrics import Counters
from topicdock.serving.registry import Registry
from topicdock.serving.requests import DOCUMENTS
from topicdock.serving.served_model import ServedModel
from topicdock.serving.settings import Settings
from topicdock.serving.worker import DRAINING, THREADS, Worker, hold_back_signals

SOCKET_PATIENCE = 10
"""Seconds that a connection may stand still in the middle of a request or of its response."""

KEEP_ALIVE = 65
"""Seconds that an idle connection is kept, more than the minute after which load balancers let go of theirs.

If the server were the first to close, a request already on its way would be lost.
"""

_ADDRESS = "0.0.0.0"  # noqa: S104 - SageMaker calls from outside the container
_logger = logging.getLogger(__name__)


def run(environment: Mapping[str, str]) -> int:
    """Load the model that the environment names, serve it until SIGTERM, and return the exit status."""
    configure_logging()
    try:
        settings = Settings.from_environment(environment, Machine.probe())
        configure_logging(settings.log_level)
        _check_port(settings.port)
        if settings.multi_model:
            with _temporary_folder() as folder:
                _logger.info("Serving the models that are loaded by name, up to %d bytes", settings.models_limit)
                return _serve(Registry(folder, settings.models_limit), settings)
        model = load_model(Layout.from_environment(environment).model)
    except TopicdockError as error:
        _logger.error("%s: %s", error.prefix, " ".join(str(error).split()))
        return 1
    _logger.info("Serving an %s model: %d topics, %d words", model.algorithm, model.num_topics, model.feature_dim)
    served = ServedModel(model)
    served.warm()
    return _serve(served, settings)


def _serve(models: ServedModel | Registry, settings: Settings) -> int:
    _Log.requests_log = AccessLog(sys.stdout.fileno()) if settings.access_log else None
    # A worker that is replaced may live on for a while.
    counters = Counters(2 * settings.workers) if settings.metrics else None
    server = _Server(create_app(models, settings, counters), settings, counters)
    # Objects that the collector never looks at are never written to, so the workers go on sharing their memory.
    gc.collect()
    gc.freeze()
    hold_back_signals()
    try:
        server.run()
    except SystemExit as leaving:  # how gunicorn ends, in the master and in each worker
        return leaving.code if isinstance(leaving.code, int) else 0
    return 0


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    """A folder that is removed when the process that made it ends; those that were forked from it leave it alone."""
    owner = os.getpid()
    try:
        folder = Path(tempfile.mkdtemp(prefix="topicdock-"))
    except OSError as error:
        raise PlatformError(
            f"There is no folder for temporary files, where models are kept: {error.strerror or error}."
        ) from error
    try:
        yield folder
    finally:
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)


def _check_port(port: int) -> None:
    # gunicorn would try for five seconds, and then say so three times.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_ADDRESS, port))
        except OSError as error:
            trouble = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
            todo = "stop what listens there, or choose another port with SAGEMAKER_BIND_TO_PORT"
            raise PlatformError(f"port {port} {trouble}; to do: {todo}.") from error


class _Log(Logger):  # type: ignore[misc]
    """gunicorn's messages, without handlers of its own: they go where every line of this process goes."""

    counters: ClassVar[Counters | None] = None
    requests_log: ClassVar[AccessLog | None] = None

    def setup(self, cfg: Any) -> None:
        self._access_log_enabled = False
        self.error_log.setLevel(logging.NOTSET)
        self.error_log.propagate = True

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log and count a request, whoever answered it."""
        self.note([Entry(environ, resp.status_code, resp.sent, request_time.total_seconds())])

    def note(self, entries: Sequence[Entry]) -> None:
        """Log and count requests."""
        if self.requests_log is not None:
            self.requests_log.write(entries)
        if self.counters is not None:
            for environ, status, sent, seconds in entries:
                if environ.get("PATH_INFO") not in UNCOUNTED:
                    received = environ.get("CONTENT_LENGTH") or 0
                    self.counters.add(status, seconds, environ.get(DOCUMENTS) or 0, int(received), sent)

    def exception(self, msg: str, *args: object, **kwargs: Any) -> None:
        if isinstance(sys.exc_info()[1], (BlockingIOError, TimeoutError)):  # SOCKET_PATIENCE or the time limit is over
            self.info("A client stood still in the middle of a request, or was too slow; its connection is closed.")
        else:
            super().exception(msg, *args, **kwargs)


class _Server(BaseApplication):  # type: ignore[misc]
    """gunicorn, told everything here and nothing by files, flags or variables of its own."""

    def __init__(self, app: Flask, settings: Settings, counters: Counters | None) -> None:
        self._app, self._settings = app, settings
        _Log.counters = counters
        super().__init__()

    def load_config(self) -> None:
        chosen = {
            "bind": [f"{_ADDRESS}:{self._settings.port}"],
            "workers": self._settings.workers,
            "worker_class": Worker,
            "threads": THREADS,
            "timeout": self._settings.timeout,
            "graceful_timeout": DRAINING + 2,  # the workers end by themselves, and say why
            "keepalive": KEEP_ALIVE,
            "preload_app": True,
            "logger_class": _Log,
            "when_ready": _limit_patience,
            "pre_fork": _take_row,
            "child_exit": _give_back,
            "control_socket_disable": True,  # no file in the home folder, which may be read-only
        }
        for name, value in chosen.items():
            if name in self.cfg.settings:  # gunicorn's settings differ between its versions
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._app


def _take_row(_: Any, worker: Any) -> None:
    if _Log.counters is not None:
        _Log.counters.take_row(worker)


def _give_back(_: Any, worker: Any) -> None:
    if _Log.counters is not None:
        _Log.counters.give_back(worker)


def _limit_patience(arbiter: Any) -> None:
    # Accepted connections inherit this from the listening socket; gunicorn knows no limit for clients that stand still.
    patience = struct.pack("@ll", SOCKET_PATIENCE, 0)
    for listener in arbiter.LISTENERS:
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            listener.sock.setsockopt(socket.SOL_SOCKET, direction, patience)
