"""A tiny server: boots for argv[2] seconds, then listens on $PORT and writes down when, into the folder argv[1]."""

import os
import socket
import sys
import time

folder, delay_s = sys.argv[1], float(sys.argv[2])
time.sleep(delay_s)
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("127.0.0.1", int(os.environ["PORT"])))
server.listen(16)
at = time.time()
note = os.open(f"{folder}/{os.environ['PORT']}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
os.write(note, repr(at).encode())
while True:
    line, _ = server.accept()
    line.settimeout(1)
    try:
        if line.recv(4096):
            line.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nok\n")
    except OSError:
        pass
    line.close()
