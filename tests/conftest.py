"""What holds for the whole suite."""

from hypothesis import settings

# A slow or busy machine is not a failure, and a run can be repeated.
settings.register_profile("maskwright", deadline=None, derandomize=True)
settings.load_profile("maskwright")
