"""Listens on argv[1] ports and opens argv[2] sockets in all; prints the ports, then waits for the end of its input."""

import resource
import socket
import sys

listeners, sockets = int(sys.argv[1]), int(sys.argv[2])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, sockets + 100)), hard))
serving = [socket.create_server(("127.0.0.1", 0), backlog=512) for _ in range(listeners)]
opened = []
while len(opened) + listeners < sockets:
    server = serving[len(opened) // 2 % listeners]
    opened.append(socket.create_connection(server.getsockname()))
    opened.append(server.accept()[0])
print(*[server.getsockname()[1] for server in serving], flush=True)
sys.stdin.read()
