"""A training job from its first log line to its exit code."""

from topicdock.training.job import train

__all__ = ["train"]
