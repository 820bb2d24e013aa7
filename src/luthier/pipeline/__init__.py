"""Which stage runs, from which folders."""
