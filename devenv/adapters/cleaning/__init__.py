"""What may be removed from this machine to give disk space back: paths of the project, caches, files of our own."""
