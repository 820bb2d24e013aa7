"""A dataset and a base become a tuned model."""
