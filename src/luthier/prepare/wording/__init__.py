"""How each kind of example becomes rows of ids: one file each."""
