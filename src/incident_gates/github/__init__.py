"""Knows GitHub: events, base commits, which incidents a change touches, and what is handed back."""
