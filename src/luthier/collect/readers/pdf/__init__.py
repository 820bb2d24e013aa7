"""PDF: the text layer with the structure that its layout shows."""
