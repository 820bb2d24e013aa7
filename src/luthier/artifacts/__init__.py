"""Nouns that rest: folders with a manifest."""
