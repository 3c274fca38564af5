"""What holds for every test: the same examples of Hypothesis in every run, however slow the machine is."""

from hypothesis import settings

settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")
