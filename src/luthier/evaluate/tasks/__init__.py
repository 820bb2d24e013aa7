"""How each kind of item is asked and scored."""
