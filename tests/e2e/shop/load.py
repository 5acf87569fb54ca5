"""Loads a file of SQL into DATABASE_URL."""

import os
import sys
from pathlib import Path

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"].replace("+psycopg", "")) as connection:
    connection.execute(Path(sys.argv[1]).read_text())
