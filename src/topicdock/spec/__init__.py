"""What an algorithm declares: its hyperparameters, channels and metrics, each name, range and default once."""
