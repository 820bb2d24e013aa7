"""Defects of text: what is mended, and what cannot be used."""
