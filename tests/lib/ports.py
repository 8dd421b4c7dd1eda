"""Ports that stay free while nobody listens on them.

The kernel gives one of its own range to whoever connects, so a port of that range may be taken before it is listened on (again).
"""
import random
import socket


def free_port(host="127.0.0.1"):
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        first = int(f.read().split()[0])
    for _ in range(200):
        port = random.randrange(10000, first) if first > 12000 else random.randrange(1024, 32000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind((host, port))
                return port
            except OSError:
                continue
    raise OSError("no free port was found below %d" % first)
