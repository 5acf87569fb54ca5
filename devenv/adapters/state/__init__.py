"""What is kept on disk: paths, locks, the run record, claims."""
