"""Scores of one answer, or of a corpus of answers."""
