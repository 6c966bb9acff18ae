"""A training job from its first log line to its exit code."""

from topicdock.training.job import train, train_beside

__all__ = ["train", "train_beside"]
