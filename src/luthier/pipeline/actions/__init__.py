"""What every surface calls."""
