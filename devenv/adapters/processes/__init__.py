"""The processes of this machine, and the ones that the stack started on it."""
