"""SageMaker's training contract: folders, configuration files, log lines, failure file. It knows no algorithm."""
