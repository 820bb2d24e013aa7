"""Trackers that come with Luthier; each needs its tool installed."""
