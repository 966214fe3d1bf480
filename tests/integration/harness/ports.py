"""Free TCP ports on loopback."""

import atexit
import random
import socket
import threading

# Below the range from which the kernel takes the ports of outgoing connections, so that none of
# those takes a port between our asking for it and a server's binding it.
_FIRST, _LAST = 12000, 31999
_random = random.SystemRandom()
_lock = threading.Lock()
_given = {}  # Port → the socket that claims it.


def _claim(port):
    """Claims the port among all tests that run on this machine; None if another has it.

    The claim is an address without a file: nothing is left behind, whoever runs the test and however
    it ends.
    """
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0router test port {port}")
    except OSError:
        claim.close()
        return None
    return claim


def is_claimed(port):
    """Whether a test has been given it."""
    claim = _claim(port)
    if claim is None:
        return True
    claim.close()
    return False


def _is_free(port):
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port():
    """A port that nothing listens on and that no test has been given that is running now. It is the
    caller's until given back or until this process ends."""
    while True:
        port = _random.randint(_FIRST, _LAST)
        claim = _claim(port)
        if claim is None:
            continue
        if not _is_free(port):
            claim.close()
            continue
        with _lock:
            _given[port] = claim
        return port


@atexit.register
def _give_back_all():
    give_back(*list(_given))


def give_back(*ports):
    """For others: nothing of the caller's listens there any more. Each may be given back once."""
    for port in ports:
        with _lock:
            claim = _given.pop(port)
        claim.close()
