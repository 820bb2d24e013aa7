"""What a model is: how it is loaded, worded, adapted and sampled."""
