"""Which device a model is fitted on: a GPU, where there is one with the memory for it, or else the processor."""

from __future__ import annotations

import logging
from typing import Any

import orjson
import torch

from topicdock.algorithms.device_trial import find_fault
from topicdock.algorithms.hosts import ALONE, Hosts, describe
from topicdock.corpus.documents import Documents
from topicdock.errors import CustomerError

AUTO, CPU, CUDA = "auto", "cpu", "cuda"
WANTED = (AUTO, CPU, CUDA)
_COPIES = 9
"""Of every weight: itself, its gradient, two moments, the best epoch's, and what an update works with."""
_ROOM = 2 << 30
"""Bytes for blocks of documents, for the libraries' own, and to spare."""
_BYTES_OF_A_COUNT = 8
_logger = logging.getLogger(__name__)


def count_gpus() -> int:
    """Return how many GPUs PyTorch can use."""
    return torch.cuda.device_count()


def choose_device(
    wanted: str, where: str, documents: Documents, hyperparameters: Any, hosts: Hosts = ALONE, place: int = 0
) -> torch.device | None:
    """Return the device to fit NTM or ETM on; None is the processor. A line of the log says which it is, and why.

    Parameters
    ----------
    wanted : str
        ``auto``, ``cpu`` or ``cuda``.
    where : str
        Who said so, for the text of an error.
    documents : Documents, shape (D, V)
    hyperparameters : NTMHyperparameters or ETMHyperparameters
    hosts : Hosts
        All of which choose alike: where one has no GPU to use, none uses any.
    place : int
        This process's number among those of its host, which use a GPU each: the first one the first.

    Raises
    ------
    CustomerError
        `wanted` is none of these, or is ``cuda`` where that cannot be.
    """
    if wanted not in WANTED:
        raise CustomerError("there is no such device", where=where, got=repr(wanted), allowed=", ".join(WANTED))
    reason = f"{where} says so" if wanted == CPU else _refuse(_count_bytes(documents, hyperparameters), place)
    demanded = wanted == CUDA
    if hosts.size > 1:
        reason, demanded = _agree(reason, demanded, hosts)
    if not reason:
        device = torch.device(CUDA, torch.cuda.current_device())
        free, _ = torch.cuda.mem_get_info(device)
        _logger.info(
            "Training on the GPU %s, %s, with %.1f GB free.", device, torch.cuda.get_device_name(device), free / 1e9
        )
        return device
    if demanded:
        raise CustomerError(
            "the model cannot be fitted on a GPU", where=where, got=reason, todo=f"say {AUTO}, or {CPU}"
        )
    _logger.info("Training on the CPU: %s.", reason)
    return None


def _agree(reason: str, demanded: bool, hosts: Hosts) -> tuple[str, bool]:
    """Return why one of the hosts has no GPU to use, so that none uses any, and whether any demands one."""
    everyone = [orjson.loads(told) for told in hosts.gather(orjson.dumps([reason, demanded]))]
    whys = {why for why, _ in everyone}
    reasons = [f"on {describe(hosts, rank)}, {why}" for rank, (why, _) in enumerate(everyone) if why]
    if len(whys) == 1:
        reasons = [why for why in whys if why]
    return reasons[0] if reasons else "", any(demands for _, demands in everyone)


def _refuse(needed: int, place: int) -> str:
    """Return why there is no GPU for something that needs so many bytes; nothing where there is one, current now."""
    if torch.version.cuda is None:
        return f"this build of PyTorch, {torch.__version__}, has no CUDA"
    if not torch.cuda.is_available():
        return "there is no GPU that PyTorch can use"
    if place and place >= torch.cuda.device_count():
        return f"there is a GPU for each of the first {torch.cuda.device_count()} processes alone"
    try:
        if place:
            torch.cuda.set_device(place)
        free, _ = torch.cuda.mem_get_info()
    except RuntimeError as error:  # of another that has the GPU to itself, for instance
        return f"the GPU cannot be used: {str(error).strip().splitlines()[0]}"
    if free < needed:
        return f"documents and model need about {needed / 1e9:.1f} GB, and the GPU has {free / 1e9:.1f} GB free"
    fault = find_fault(torch.device(CUDA, torch.cuda.current_device()))
    return f"the GPU failed a trial: {fault}" if fault else ""


def _count_bytes(documents: Documents, hyperparameters: Any) -> int:
    """Return about how much memory a fit takes on a device."""
    number, vocabulary_size = documents.shape
    width: int = hyperparameters.layer_sizes()[0] + hyperparameters.num_topics + 1
    width += getattr(hyperparameters, "embedding_size", 0)
    return _BYTES_OF_A_COUNT * documents.nnz + 8 * number + 4 * _COPIES * vocabulary_size * width + _ROOM
