"""What holds for every test."""

import gc

from hypothesis import HealthCheck, settings

# A hundred examples, the library's default, take minutes of the twenty that continuous integration has; what is found
# with fewer is found there every day.
# How long one takes says nothing on a machine that does other work as well.
settings.register_profile("suite", max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


def pytest_collection_finish() -> None:
    """What the libraries made when they were imported is no garbage: looking through it takes a third of a second."""
    gc.collect()
    gc.freeze()
