"""Settings of every test run."""

from hypothesis import settings

# No deadline: a laptop that does something else as well must not fail a property. A failure prints how to repeat it.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")
