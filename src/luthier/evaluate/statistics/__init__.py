"""Arrays in, frozen records out; knows no model."""
