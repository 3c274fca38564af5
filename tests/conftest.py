"""What holds for every test: an example of Hypothesis may take as long as a loaded machine makes it."""

from hypothesis import settings

settings.register_profile("suite", deadline=None)
settings.load_profile("suite")
