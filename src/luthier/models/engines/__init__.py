"""Engines answer prompts that are already token ids."""
