"""Prints argv[2] MB in lines of 107 bytes, each by a write of its own; notes in the file argv[1] how long it took."""

import os
import sys
import time

line = b"x" * 106 + b"\n"
count = int(float(sys.argv[2]) * 1e6) // len(line)
began = time.monotonic()
for _ in range(count):
    os.write(1, line)
took = time.monotonic() - began
note = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(note, f"{took!r}\n".encode())
