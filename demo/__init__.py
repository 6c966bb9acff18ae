"""A tour of topicdock: real text, or a corpus with known topics, through SageMaker's two contracts."""
