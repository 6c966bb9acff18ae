"""Measurements, run by scripts/benchmark."""
