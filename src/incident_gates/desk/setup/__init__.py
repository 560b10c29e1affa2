"""Sets a repository up, and says why the gates would not work in one."""
