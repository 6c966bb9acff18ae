"""The processes of one host, one for each of its GPUs: started, given their documents, and watched.

The first one is the job's own process. It starts the others, reads the channels for all of them, writes the log, and
answers for them: one that dies ends the job with a text that names it. The others end when it ends, however it does.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from topicdock.algorithms.hosts import ONLY, HostLostError, Seat
from topicdock.contract.config import Cluster
from topicdock.contract.failure import FAILURE, failure_text, report_failure
from topicdock.contract.layout import Layout
from topicdock.corpus.storage import Storage
from topicdock.errors import AlgorithmError, CustomerError, PlatformError, TopicdockError
from topicdock.machine import count_gpu_files
from topicdock.spec.algorithm import Specification
from topicdock.training.data import TrainingData
from topicdock.training.dealing import END, MOST_DESCRIPTORS, hand_out, take
from topicdock.training.devices import CPU, DEVICE_VARIABLE
from topicdock.training.variables import read_number

PROCESSES_VARIABLE = "TOPICDOCK_PROCESSES"
COMMAND = "process"
"""Of the command line, for a process beside the first; it alone knows the environment."""
_MOST = 64
_ADDRESS = "127.0.0.1"
_GRACE_SECONDS = 10.0
"""In which training notices by itself that a process is gone; where it waits for a GPU, it may not."""
_TELL_SECONDS = 2.0
"""In which a process that is gone has said why."""
_PIECE = 1 << 16
_PERHAPS: dict[int, str] = {
    signal.SIGKILL: ", as a system does that has no memory left",
    signal.SIGBUS: ", as happens when a file of documents, in TMPDIR or else /tmp, cannot be read any more",
}
_logger = logging.getLogger(__name__)


class Crew(Protocol):
    """The processes of this host, as one of them sees them."""

    def muster(self, cluster: Cluster, specification: Specification) -> Seat:
        """Return which of them this is, all of them being under way."""

    def deal(self, read: Callable[[], TrainingData], storage: Storage, feature_dim: int) -> TrainingData:
        """Return this process's documents, which the first process has read; what else there is, the first has."""

    def use(self, device: Any) -> None:
        """Take note of the device that this process uses, None for the processor."""

    def give_up(self, error: TopicdockError) -> None:
        """End this process at once, whatever it waits for, with an error that the customer is to read."""


class FirstProcess:
    """The process that the job was started as: mostly the only one.

    Parameters
    ----------
    layout : Layout
    environment : mapping
        Of the job; the other processes are given the same.
    """

    def __init__(self, layout: Layout, environment: Mapping[str, str]) -> None:
        self._layout, self._environment = layout, environment
        self._others: list[_Other] = []
        self._device: Any = None
        self._host, self._fault = "", TopicdockError()
        self._known, self._over = threading.Event(), threading.Event()

    def muster(self, cluster: Cluster, specification: Specification) -> Seat:
        """Start the others, if there are to be several."""
        size = count_processes(self._environment, specification)
        if size == 1:
            return ONLY
        self._host, seat = cluster.current_host, Seat(0, size)
        if len(cluster.hosts) == 1:  # these processes alone, whom nobody else is to reach
            listener = socket.create_server((_ADDRESS, 0))
            port = listener.getsockname()[1]
            seat = Seat(0, size, port, listener.detach())
        for place in range(1, size):
            other = _Other(replace(seat, place=place, listener=None), self._environment)
            self._others.append(other)
            threading.Thread(target=self._watch, args=(other,), daemon=True).start()
        return seat

    def deal(self, read: Callable[[], TrainingData], storage: Storage, feature_dim: int) -> TrainingData:
        """Read the channels, and give the others their part."""
        data = read()
        if self._others:
            hand_out(data, storage, [other.link for other in self._others])
            storage.dealt.clear()
        return data

    def use(self, device: Any) -> None:
        """Take note of the device that this process uses; the others use the next ones of its kind."""
        self._device = device

    def explain(self, error: Exception) -> Exception:
        """Return what ended the job: what one of the others said or died of, if that is what broke a connection."""
        told = isinstance(error, HostLostError) and self._others and self._known.wait(_TELL_SECONDS)
        return self._fault if told else error

    def give_up(self, error: TopicdockError) -> None:
        """End the job."""
        report_failure(error, self._layout)
        self.dismiss()
        os._exit(FAILURE)

    def dismiss(self, seconds: float = 0.0) -> None:
        """See to it that the others are gone, which have so long to leave by themselves."""
        self._over.set()
        for other in self._others:
            other.end(seconds)

    def _watch(self, other: _Other) -> None:
        """Wait for the end of another process; one that was not to be ends the job."""
        told, code = other.wait()
        if code == 0 or self._over.is_set():
            return
        fault = self._describe(other, told, code)
        if told or code < 0:  # else it has only lost a connection
            self._fault = fault
            self._known.set()
        if not self._over.wait(_GRACE_SECONDS):
            self.give_up(fault)

    def _describe(self, other: _Other, told: str, code: int) -> TopicdockError:
        device = "" if self._device is None else f" ({self._device.type}:{other.place})"
        name = f"host {self._host}, process {other.place + 1} of {len(self._others) + 1}{device}"
        if told:
            return _restate(told, f"on {name}")
        if code < 0:
            how = f"was ended by the signal {signal.Signals(-code).name}{_PERHAPS.get(-code, '')}"
        else:
            how = f"ended with exit code {code}; the log may say why"
        return PlatformError(
            f"On {name} {how}. Run the job again; where there are checkpoints it goes on from the last."
        )


class OtherProcess:
    """A process that the first one has started.

    Parameters
    ----------
    seat : Seat
    link : socket
        To the first process; when that is gone, this one ends.
    """

    def __init__(self, seat: Seat, link: socket.socket) -> None:
        self._seat, self._link = seat, link
        self._sent: queue.SimpleQueue[tuple[bytes, list[int]]] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def muster(self, cluster: Cluster, specification: Specification) -> Seat:
        """Return which process this is."""
        return self._seat

    def deal(self, read: Callable[[], TrainingData], storage: Storage, feature_dim: int) -> TrainingData:
        """Wait for what the first process has read."""
        message, descriptors = self._sent.get()
        return take(message, descriptors, feature_dim)

    def use(self, device: Any) -> None:
        """Do nothing."""

    def tell(self, error: Exception) -> None:
        """Tell the first process what ends this one, unless that is the end of yet another."""
        if not isinstance(error, TopicdockError):
            _logger.error("An unexpected error:", exc_info=error)
        if not isinstance(error, HostLostError):
            with contextlib.suppress(OSError):
                self._link.sendall(failure_text(error).encode(errors="backslashreplace"))

    def give_up(self, error: TopicdockError) -> None:
        """End this process, and with it the job."""
        self.tell(error)
        os._exit(FAILURE)

    def _listen(self) -> None:
        message, descriptors = b"", list[int]()
        while True:
            try:
                piece, more, _, _ = socket.recv_fds(self._link, _PIECE, MOST_DESCRIPTORS)
            except OSError:
                piece, more = b"", []
            if not piece:
                os._exit(FAILURE)
            message += piece
            descriptors += more
            if message.endswith(END):
                self._sent.put((message, descriptors))


class _Other:
    """A process beside the first, as that one sees it."""

    def __init__(self, seat: Seat, environment: Mapping[str, str]) -> None:
        self.place = seat.place
        self.link, theirs = socket.socketpair()
        numbers = map(str, (seat.place, seat.size, seat.port))
        with theirs:
            # A session of its own: what a terminal's Ctrl-C asks for, the first process passes on.
            self._process = subprocess.Popen(
                [sys.executable, "-u", "-m", "topicdock", COMMAND, *numbers],
                stdin=theirs.fileno(), env=dict(environment), start_new_session=True,
            )  # fmt: skip

    def wait(self) -> tuple[str, int]:
        """Wait for its end; return what it said of that, and its exit code, below 0 for a signal."""
        told = b""
        with contextlib.suppress(OSError):
            while piece := self.link.recv(_PIECE):
                told += piece
        return told.decode(errors="replace"), self._process.wait()

    def end(self, seconds: float) -> None:
        """Wait so long for its end, and bring it about then."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def count_processes(environment: Mapping[str, str], specification: Specification) -> int:
    """Return in how many processes this host is to train: as many as it has GPUs, unless the environment says.

    Raises
    ------
    CustomerError
        The environment says something else than a number.
    """
    given = read_number(environment, PROCESSES_VARIABLE, 1, _MOST)
    if not specification.by_epochs:
        return 1
    if environment.get(PROCESSES_VARIABLE) or environment.get(DEVICE_VARIABLE) == CPU or count_gpu_files() < 2:
        return given
    count: int = importlib.import_module("topicdock.algorithms.devices").count_gpus()
    return max(1, min(count, _MOST))


def _restate(told: str, where: str) -> TopicdockError:
    """Return an error from its text, with where it happened."""
    prefix, _, what = told.partition(": ")
    if prefix == CustomerError.prefix:
        return CustomerError(what.removesuffix("."), where=where)
    return (AlgorithmError if prefix == AlgorithmError.prefix else PlatformError)(f"{where}: {what}")
