"""topicdock: an open, fast drop-in for Amazon SageMaker's built-in topic models."""

__version__ = "0.1.0"
