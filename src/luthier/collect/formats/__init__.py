"""What kind of example a row is."""
