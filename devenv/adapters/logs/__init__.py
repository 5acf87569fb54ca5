"""The log files of processes: written by the processes themselves, indexed, rotated and read here."""
