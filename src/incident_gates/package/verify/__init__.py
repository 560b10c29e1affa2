"""Checks a package offline: bytes, signature, and the gates judged again."""
