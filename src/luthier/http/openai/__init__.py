"""OpenAI wire types to records and back."""
