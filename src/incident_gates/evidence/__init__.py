"""The only door for untrusted bytes: every file of an incident enters here, or is refused."""
