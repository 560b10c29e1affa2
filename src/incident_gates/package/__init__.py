"""The package that an auditor gets, and how it is verified."""
