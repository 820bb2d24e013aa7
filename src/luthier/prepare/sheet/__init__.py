"""The data sheet: what was found, what was done, what is left, for a person to judge."""
