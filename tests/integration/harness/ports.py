"""Free TCP ports on loopback."""

import atexit
import fcntl
import os
import random
import socket
import tempfile

# Below the range from which the kernel takes the ports of outgoing connections, so that none of
# those takes a port between our asking for it and a server's binding it.
_FIRST, _LAST = 12000, 31999
_random = random.SystemRandom()
_given = {}  # Port → its lock file, held open as long as this process lives.


@atexit.register
def _give_back():
    for lock in _given.values():
        lock.close()


def _claim(port):
    """Claims the port among all tests that run at the same time; False if another has it."""
    folder = os.path.join(tempfile.gettempdir(), "router_test_ports")
    os.makedirs(folder, exist_ok=True)
    lock = open(os.path.join(folder, str(port)), "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return False
    _given[port] = lock
    return True


def free_port():
    """A port that nothing listens on and that no test has been given that is running now."""
    while True:
        port = _random.randint(_FIRST, _LAST)
        if port in _given or not _claim(port):
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
