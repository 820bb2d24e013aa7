"""A model answers requests."""
