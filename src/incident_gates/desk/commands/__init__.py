"""The desk on the command line: one module a command."""
