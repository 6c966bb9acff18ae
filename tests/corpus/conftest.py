from __future__ import annotations

from hypothesis import HealthCheck, settings

# Deadlines would fail on a busy machine; the seed is fixed so that the suite gives the same answer twice.
settings.register_profile(
    "corpus", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("corpus")
