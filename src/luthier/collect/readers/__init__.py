"""One file per format: bytes to documents or rows."""
