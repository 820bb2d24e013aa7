"""Evidence as files a person or a program can read."""
