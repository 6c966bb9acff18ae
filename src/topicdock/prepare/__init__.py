"""From texts to the channels of a training job: sources, counts, vocabulary, split, files."""

from topicdock.prepare.preparation import Prepared, Settings, prepare
from topicdock.prepare.sources import Sources

__all__ = ["Prepared", "Settings", "Sources", "prepare"]
