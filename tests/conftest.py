"""What holds for the whole suite."""

import logging

import pytest
from hypothesis import settings

# A slow or busy machine is not a failure, and a run can be repeated.
settings.register_profile("maskwright", deadline=None, derandomize=True)
settings.load_profile("maskwright")


@pytest.fixture(autouse=True)
def log_of_its_own():
    """Undo what the command line of another test has set: -q would silence the log for good."""
    logger = logging.getLogger("maskwright")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
