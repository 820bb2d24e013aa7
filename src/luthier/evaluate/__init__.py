"""Base and tuned models on a sealed exam become evidence."""
