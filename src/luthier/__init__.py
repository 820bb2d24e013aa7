"""Luthier fine-tunes language models for a domain and proves that it helped."""

__version__ = "0.1.0"
