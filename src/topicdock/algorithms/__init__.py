"""The mathematics of fitting; the only room that imports torch."""
