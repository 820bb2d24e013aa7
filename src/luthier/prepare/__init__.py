"""Records to what a model reads and what it is examined on."""
