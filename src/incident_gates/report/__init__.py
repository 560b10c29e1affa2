"""Reporters: each turns one report into one format, and escapes what it prints."""
