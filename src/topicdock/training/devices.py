"""Where a job computes: on a GPU or on the processor."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Mapping
from typing import Any

from topicdock.algorithms.hosts import ONLY, Hosts, Seat
from topicdock.corpus.documents import Documents
from topicdock.spec.algorithm import Specification
from topicdock.spec.hyperparameters import Hyperparameters

DEVICE_VARIABLE, CPU = "TOPICDOCK_DEVICE", "cpu"
_logger = logging.getLogger(__name__)


def prepare_device(
    environment: Mapping[str, str],
    specification: Specification,
    hyperparameters: Hyperparameters,
    documents: Documents,
    hosts: Hosts,
    seat: Seat = ONLY,
) -> Any:
    """Return the torch.device to fit on, None for the processor, and have all cores used; the log says which and why.

    The processes of a host, of which `seat` is one, share its cores, and have a GPU each.

    Raises
    ------
    CustomerError
        TOPICDOCK_DEVICE is no device, or one that cannot be had.
    """
    threads = importlib.import_module("topicdock.algorithms.threads").use_available_cores(seat.size)
    device = None
    if specification.by_epochs:
        devices = importlib.import_module("topicdock.algorithms.devices")
        wanted = environment.get(DEVICE_VARIABLE, "") or devices.AUTO
        where = f"environment variable {DEVICE_VARIABLE}"
        device = devices.choose_device(wanted, where, documents, hyperparameters, hosts, seat.place)
        if device is not None:
            hosts.use(device)
    else:
        _logger.info("Training on the CPU: %s has no use for a GPU.", specification.name)
    gpus = 0 if device is None else seat.size
    _logger.info("Number of GPUs being used: %d; number of threads: %d", gpus, threads)
    return device
