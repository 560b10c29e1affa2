"""Says whether an incident's record is complete and consistent, and at which line it is not."""

__version__ = "0.1.0"
