"""How each objective's items are asked and scored: one file each."""
