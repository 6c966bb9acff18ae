"""The processes of several hosts, or of one, connected over torch.distributed's gloo."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor

from topicdock.algorithms.device_sums import ByHost, add_ones, can_join, join_devices
from topicdock.algorithms.heartbeat import Heartbeat
from topicdock.algorithms.hosts import ONLY, HostLostError, Pending, Seat
from topicdock.algorithms.meeting import (
    LOOPBACK,
    LOOPBACK_ADDRESS,
    choose_interface,
    count_processes,
    name_processes,
    open_store,
    resolve,
)
from topicdock.algorithms.roll_call import RollCall
from topicdock.errors import PlatformError

Doubles = NDArray[np.float64]

_CONNECT_SECONDS = 600.0
_SUM_TIMEOUT = timedelta(hours=48)
"""How long a host waits for another that is alive: it may be reading a much larger shard."""
_logger = logging.getLogger(__name__)


class ConnectedHosts:
    """Several hosts, or several processes of one, connected from now until :meth:`leave`.

    Parameters
    ----------
    names : sequence of str
        The hosts' names, sorted; the first process of the first one leads.
    current : str
        This host.
    interface : str
        The network interface to use; another is used, and named in the log, where it does not exist. A single host
        needs none.
    port : int
        On which the leader waits for the others.
    silence : float
        Seconds after which a process that says nothing is given up.
    given_up : callable
        Called then, in another thread, with the error that names the process.
    seat : Seat
        Which of this host's processes this is.

    Raises
    ------
    PlatformError
        The hosts cannot reach each other.
    """

    def __init__(
        self,
        names: Sequence[str],
        current: str,
        interface: str,
        port: int,
        silence: float,
        given_up: Callable[[PlatformError], None],
        seat: Seat = ONLY,
    ) -> None:
        self._hosts, self._host = tuple(names), names.index(current)
        self._devices: Any = None
        if len(names) == 1:
            choose_interface(LOOPBACK)
            address = LOOPBACK_ADDRESS
        else:
            choose_interface(interface)
            address = resolve(names[0])
            _logger.info("Host %s is number %d of %d; %s leads.", current, self._host + 1, len(names), names[0])

        def give_up(name: str) -> None:
            if self._roll is not None:
                self._roll.call()  # so that the others learn who is gone before this host goes, too
            given_up(_describe_silence(name, silence))

        try:
            _interruptible(partial(self._connect, address, port, silence, give_up, seat))
        except (RuntimeError, ValueError) as error:
            if "EADDRINUSE" in str(error):
                raise PlatformError(
                    f"Port {port}, on which the hosts meet, is in use on the leader {names[0]}; "
                    "set TOPICDOCK_PORT to another on every host."
                ) from error
            raise PlatformError(
                f"The hosts {', '.join(names)} did not all meet on port {port} of {names[0]}: {_shorten(error)}."
            ) from error
        if self.size > len(names):
            _logger.info("Training in %d processes on this host, %d on all hosts.", seat.size, self.size)

    def _connect(self, address: str, port: int, silence: float, give_up: Callable[[str], None], seat: Seat) -> None:
        leads = self._host == seat.place == 0
        self._store = open_store(address, port, leads, seat.listener, _CONNECT_SECONDS)
        self.processes = count_processes(self._store, self._host, len(self._hosts), seat)
        self.names = tuple(name_processes(self._hosts, self.processes))
        self.rank, self.size = sum(self.processes[: self._host]) + seat.place, len(self.names)
        torch.distributed.init_process_group(
            "gloo", store=self._store, rank=self.rank, world_size=self.size,
            timeout=timedelta(seconds=_CONNECT_SECONDS),
        )  # fmt: skip
        # Before anything that waits as long as a sum may: a host can be gone as soon as it was met.
        self._roll = RollCall(address, port, self.rank, self.names, silence) if self.size > 2 else None
        self._heartbeat = Heartbeat(address, port, self.rank, self.names, silence, give_up)
        self._group = torch.distributed.new_group(timeout=_SUM_TIMEOUT)

    def sum(self, array: Doubles) -> Doubles:
        """Return the sum of every host's `array`.

        Raises
        ------
        PlatformError
            Another host is gone.
        """
        total = torch.from_numpy(np.array(array, np.float64, order="C", copy=True))
        _interruptible(self.reduce(total).wait)
        return total.numpy().reshape(array.shape)

    def reduce(self, tensor: Tensor, *, largest: bool = False) -> Pending:
        """Begin to replace `tensor` by the sum of every host's, or by the largest of each number.

        Raises
        ------
        PlatformError
            Here or while it is waited for: another host is gone.
        """
        operation = torch.distributed.ReduceOp.MAX if largest else torch.distributed.ReduceOp.SUM

        def begin(group: Any, numbers: Tensor) -> Pending:
            return self._begin(partial(torch.distributed.all_reduce, numbers, operation, group=group, async_op=True))

        if tensor.device.type == "cpu":
            return begin(self._group, tensor)
        if self._devices is not None:
            return begin(self._devices, tensor)
        return ByHost(tensor, partial(begin, self._group))

    def use(self, device: torch.device) -> None:
        """Have tensors on `device`, this host's, reduced over NCCL, if every host has that; else by way of the hosts.

        Raises
        ------
        PlatformError
            The GPUs do not reach each other, or another host is gone.
        """
        if self.sum(np.array([float(can_join(device))]))[0] < self.size:
            return
        self._devices = join_devices(_SUM_TIMEOUT)
        try:
            found = _interruptible(partial(add_ones, self._devices, device), _CONNECT_SECONDS)
            fault = "" if found == self.size else "the sum is wrong"
        except TimeoutError:
            fault = f"nothing came of it in {_CONNECT_SECONDS:.0f} seconds"
        except RuntimeError as error:
            fault = _shorten(error)
        if fault:
            raise PlatformError(
                f"The GPUs of the hosts {', '.join(self.names)} cannot add up numbers over NCCL: {fault}. Set "
                "TOPICDOCK_DEVICE=cpu, or see to it that the hosts reach each other on every port."
            )

    def gather(self, data: bytes) -> list[bytes]:
        """Return every host's `data`, by rank; PlatformError as for :meth:`sum`."""
        lengths = np.zeros(self.size)
        lengths[self.rank] = len(data)
        lengths = self.sum(lengths).astype(np.int64)
        parts = [torch.empty(int(lengths.max()), dtype=torch.uint8) for _ in range(self.size)]
        own = torch.zeros_like(parts[0])
        own[: len(data)] = _to_bytes(data)
        begin = partial(torch.distributed.all_gather, parts, own, group=self._group, async_op=True)
        _interruptible(self._begin(begin).wait)
        return [part[:length].numpy().tobytes() for part, length in zip(parts, lengths.tolist(), strict=True)]

    def share(self, data: bytes) -> bytes:
        """Return the leader's `data`; PlatformError as for :meth:`sum`."""
        length = int(self.sum(np.array([float(len(data)) if self.rank == 0 else 0.0]))[0])
        told = _to_bytes(data) if self.rank == 0 else torch.empty(length, dtype=torch.uint8)
        begin = partial(torch.distributed.broadcast, told, 0, group=self._group, async_op=True)
        _interruptible(self._begin(begin).wait)
        return told.numpy().tobytes()

    def _begin(self, begin: Callable[[], Any]) -> _Collective:
        with self._naming_the_lost():
            return _Collective(begin(), self._naming_the_lost)

    @contextmanager
    def _naming_the_lost(self) -> Iterator[None]:
        """Turn what gloo says when a host is gone into a text that names it."""
        try:
            yield
        except RuntimeError as error:
            others = [name for rank, name in enumerate(self.names) if rank != self.rank]
            gone = others if self._roll is None else self._roll.call()
            named = f"host {' and host '.join(gone)}" if gone else f"another host, one of {', '.join(others)},"
            raise HostLostError(
                f"The connection to {named} was lost; it has failed or was stopped. Its own log and failure text say "
                "why."
            ) from error

    def leave(self) -> None:
        """Wait until every host is here, and part."""
        self.sum(np.zeros(1))  # a host may hang until then: the leader saves the model
        if self._roll is not None:
            self._roll.stop()
        self._heartbeat.stop()
        torch.distributed.destroy_process_group()


class _Collective:
    """Something that all hosts have begun, and its errors in our words."""

    def __init__(self, work: Any, naming: Callable[[], AbstractContextManager[None]]) -> None:
        self._work, self._naming = work, naming

    def wait(self) -> None:
        """Return when it is done."""
        with self._naming():
            self._work.wait()


def _to_bytes(data: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(bytearray(data), np.uint8))


def _interruptible(wait: Callable[[], Any], seconds: float | None = None) -> Any:
    """Return what `wait` returns, which may block for hours where no signal reaches Python: it does so in a thread.

    A signal whose handler raises ends the wait, as TimeoutError does after so many seconds; the thread ends with the
    process.
    """
    outcome: Future[Any] = Future()

    def run() -> None:
        try:
            outcome.set_result(wait())
        except Exception as error:  # noqa: BLE001 - it is raised where the outcome is waited for
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result(seconds)


def _describe_silence(name: str, silence: float) -> PlatformError:
    return PlatformError(
        f"Nothing was heard from host {name} for {silence:.0f} seconds; it hangs, or its machine or network is gone. "
        "Run the job again; where there are checkpoints it goes on from the last one."
    )


def _shorten(error: BaseException) -> str:
    return str(error).strip().splitlines()[0][:200]
