"""Appends entries to the files of a record: one line, one entry."""
