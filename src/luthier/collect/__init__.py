"""Bytes to records: a folder of files becomes a corpus."""
