"""A model becomes portable files."""
