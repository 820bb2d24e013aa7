"""Labels: whether the text of a row supports them."""
