"""How a training job ends: the exit code, and the file that becomes the job's FailureReason."""

from __future__ import annotations

import logging

from topicdock.contract.layout import Layout
from topicdock.errors import TopicdockError

SUCCESS, FAILURE = 0, 1
STOPPED = 143
"""128 + SIGTERM: stopped before there was a model to save."""

MAX_LENGTH = 1024
"""Characters of the failure file that SageMaker keeps."""

_BUG = "AlgorithmError: topicdock failed in a way it should not have: {}. The training log has the details."
_OUT_OF_MEMORY = "can't allocate memory"
"""What a numerical library says in a RuntimeError."""

_logger = logging.getLogger(__name__)


def failure_text(error: BaseException) -> str:
    """Return the one text that a customer reads about `error`, of at most 1024 characters."""
    if isinstance(error, TopicdockError):
        text = f"{error.prefix}: {error}"
    elif isinstance(error, MemoryError) or _OUT_OF_MEMORY in str(error):
        text = (
            "PlatformError: there is not enough memory; use an instance with more, or a smaller model, vocabulary or "
            "mini_batch_size."
        )
    elif isinstance(error, OSError):
        text = f"PlatformError: {error.strerror or error}" + (f" ({error.filename})." if error.filename else ".")
    else:
        text = _BUG.format(f"{type(error).__name__}: {error}".strip(": "))
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 3] + "..."


def report_failure(error: BaseException, layout: Layout) -> int:
    """Log `error`, write the failure file, and return the exit code.

    The traceback of a bug goes to the log alone. A failure file that cannot be written is logged and does not hide
    the error itself.
    """
    text = failure_text(error)
    if not isinstance(error, TopicdockError):
        _logger.error("An unexpected error:", exc_info=error)
    _logger.error(text)
    try:
        layout.failure.parent.mkdir(parents=True, exist_ok=True)
        # Names of files and hyperparameters may hold what is no character.
        layout.failure.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as problem:
        _logger.error("The failure file %s could not be written: %s.", layout.failure, problem.strerror or problem)
    return FAILURE
