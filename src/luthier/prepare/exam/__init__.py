"""Questions of the sealed exam."""
