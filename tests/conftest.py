"""What holds for every test."""

from hypothesis import settings

# A hundred examples, the library's default, take minutes of the twenty that continuous integration has; what is found
# with fewer is found there every day.
settings.register_profile("suite", max_examples=40)
settings.load_profile("suite")
