"""Which examples stay together, and which side they go to."""
