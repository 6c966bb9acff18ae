"""The models of a multi-model endpoint, in a folder that all processes of the service share.

There is no process that keeps the models: one of them that is killed at any moment takes nothing along. A model is a
file (:mod:`topicdock.serving.spool`) whose name is made from the model's, and it is loaded when that file is there.
A process that answers for a model maps the file, and keeps it mapped while it is there and among those lately used.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import IO

from werkzeug.exceptions import Conflict, HTTPException, NotFound

from topicdock.artifact import load_model
from topicdock.serving.served_model import ServedModel
from topicdock.serving.spool import Card, map_spool, read_card, write_spool

MOST_MAPPED = 64
"""Models that a process keeps mapped; the one that was used longest ago goes when another comes."""

RELEASE = 3.0
"""Seconds that unloading waits for requests that are being answered with the model."""

_WATCH = 0.1
"""Seconds after which the other processes notice that a model was unloaded."""

_MODEL, _UNFINISHED, _LOCK = ".model", ".unfinished", "lock"


class InsufficientStorage(HTTPException):
    """SageMaker unloads other models when it sees this status, and asks again."""

    code = 507
    description = "There is no memory left for this model; unload others first."


class ModelNotLoadedError(NotFound):
    """A request for a model that is not loaded."""


class Registry:
    """Loads, finds and unloads models, for all processes that were forked with it.

    Parameters
    ----------
    folder : Path
        An empty folder that nobody else writes to.
    capacity : int
        Bytes that all models together may take.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        self._folder, self._capacity = folder, capacity
        self._mapped: OrderedDict[Path, tuple[tuple[int, int], ServedModel]] = OrderedDict()
        self._lock = threading.Lock()
        self._watcher: threading.Thread | None = None

    def load(self, card: Card) -> None:
        """Load the model of a folder under a name.

        Raises
        ------
        Conflict
            A model of this name is loaded.
        InsufficientStorage
            There is no room for it.
        CustomerError, PlatformError
            The folder holds no model that can be served, or cannot be read.
        """
        path = self._path(card.name)
        if path.exists():
            raise _conflict(card.name)
        self._sweep()
        self._check_room(_measure(Path(card.url)))
        try:
            model = load_model(Path(card.url))
            with tempfile.NamedTemporaryFile(dir=self._folder, suffix=_UNFINISHED, delete=False) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH)  # says that somebody is at work on it
                    write_spool(file, card, model)
                    file.flush()
                    with self._exclusively():
                        if path.exists():
                            raise _conflict(card.name)
                        self._check_room(file.tell())
                        Path(file.name).rename(path)
                except BaseException:
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except MemoryError as error:
            raise InsufficientStorage from error
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM):
                raise InsufficientStorage from error
            raise

    def unload(self, name: str) -> None:
        """Unload a model; what it took is free when this returns, unless a request still needs it after a while.

        Raises
        ------
        ModelNotLoadedError
            No model of this name is loaded.
        """
        path = self._path(name)
        with _open(path, name) as file:
            with self._exclusively():
                if os.fstat(file.fileno()).st_nlink == 0:  # somebody else was faster
                    raise _not_loaded(name)
                path.unlink()
            self.let_go_of_unloaded()
            # Whoever has the file mapped holds a lock on it, and loses it with the mapping or with his life.
            deadline = time.monotonic() + RELEASE
            while not _lock_alone(file) and time.monotonic() < deadline:
                time.sleep(_WATCH / 10)

    def describe(self, name: str) -> Card:
        """Return what is known of a loaded model, or raise ModelNotLoadedError."""
        try:
            return read_card(self._path(name))
        except FileNotFoundError as error:
            raise _not_loaded(name) from error

    def list(self, after: str, most: int) -> list[Card]:
        """Return the loaded models by name, the first `most` of those behind `after`."""
        cards = []
        for path in self._folder.glob("*" + _MODEL):
            try:
                cards.append(read_card(path))
            except FileNotFoundError:  # unloaded in the meantime
                continue
        return sorted((card for card in cards if card.name > after), key=lambda card: card.name)[:most]

    def count(self) -> int:
        """Return how many models are loaded."""
        return sum(1 for _ in self._folder.glob("*" + _MODEL))

    def find(self, name: str) -> ServedModel:
        """Return a loaded model, or raise ModelNotLoadedError."""
        path = self._path(name)
        with self._lock:
            try:
                identity = _identify(path.stat())
            except FileNotFoundError as error:
                raise _not_loaded(name) from error
            known, model = self._mapped.get(path, (None, None))
            if model is None or known != identity:
                identity, model = self._map(path, name)
            self._mapped[path] = identity, model
            self._mapped.move_to_end(path)
            while len(self._mapped) > MOST_MAPPED:
                self._mapped.popitem(last=False)
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="unloaded models", daemon=True)
                self._watcher.start()
            return model

    def find_mapped(self, name: str) -> ServedModel | None:
        """Return a loaded model that this process has mapped; None if it has not, or to know that takes waiting."""
        path = self._path(name)
        if not self._lock.acquire(blocking=False):
            return None
        try:
            known, model = self._mapped.get(path, (None, None))
            if model is None or known != _identify(path.stat()):
                return None
            self._mapped.move_to_end(path)
            return model
        except FileNotFoundError:
            return None
        finally:
            self._lock.release()

    def let_go_of_unloaded(self) -> None:
        """Let go of mapped models that some process has unloaded."""
        with self._lock:
            for path, (identity, _) in list(self._mapped.items()):
                try:
                    loaded = _identify(path.stat()) == identity
                except FileNotFoundError:
                    loaded = False
                if not loaded:
                    del self._mapped[path]

    def _map(self, path: Path, name: str) -> tuple[tuple[int, int], ServedModel]:
        with _open(path, name) as file:
            # The mapping keeps the file open, and the open file keeps the lock.
            fcntl.flock(file, fcntl.LOCK_SH)
            status = os.fstat(file.fileno())
            if status.st_nlink == 0:
                raise _not_loaded(name)
            return _identify(status), ServedModel(map_spool(file))

    def _watch(self) -> None:
        while True:
            time.sleep(_WATCH)
            self.let_go_of_unloaded()

    def _path(self, name: str) -> Path:
        return _path(self._folder, name)

    def _check_room(self, size: int) -> None:
        used = 0
        for path in self._folder.glob("*" + _MODEL):
            try:
                used += path.stat().st_size
            except FileNotFoundError:  # unloaded in the meantime
                continue
        if used + size > self._capacity:
            raise InsufficientStorage(
                f"There is no memory left for this model: it takes {size} bytes, and {used} of {self._capacity} are"
                " in use; unload others first."
            )

    def _sweep(self) -> None:
        """Remove what processes left that were killed while they loaded."""
        with self._exclusively():
            for path in self._folder.glob("*" + _UNFINISHED):
                try:
                    with path.open("rb") as file:
                        if _lock_alone(file) and time.time() - path.stat().st_mtime > RELEASE:
                            path.unlink()
                except FileNotFoundError:  # finished in the meantime
                    continue

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        with (self._folder / _LOCK).open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@lru_cache(maxsize=1024)
def _path(folder: Path, name: str) -> Path:
    return folder / (hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest() + _MODEL)


def _open(path: Path, name: str) -> IO[bytes]:
    try:
        return path.open("rb")
    except FileNotFoundError as error:
        raise _not_loaded(name) from error


def _identify(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_mtime_ns


def _lock_alone(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _measure(folder: Path) -> int:
    """Bytes of the model files of a folder, before any of them is read."""
    return max((path.stat().st_size for path in folder.glob("model_algo-*")), default=0)


def _conflict(name: str) -> Conflict:
    return Conflict(f"A model named {name[:200]!r} is loaded already; unload it first.")


def _not_loaded(name: str) -> ModelNotLoadedError:
    return ModelNotLoadedError(f"No model named {name[:200]!r} is loaded; load it with POST /models.")
