"""Reaches for the listening socket of another process, to do to it what no program would."""

import ctypes
import os
import socket

_PIDFD_GETFD = 438
_libc = ctypes.CDLL(None, use_errno=True)


def listening_socket(pid, port):
    """The socket of the process that listens at the port: a second descriptor of the same one."""
    pidfd = os.pidfd_open(pid)
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            if not os.readlink(f"/proc/{pid}/fd/{name}").startswith("socket:"):
                continue
            fd = _libc.syscall(_PIDFD_GETFD, pidfd, int(name), 0)
            if fd < 0:
                raise OSError(ctypes.get_errno(), "pidfd_getfd")
            found = socket.socket(fileno=fd)
            if (found.family in (socket.AF_INET, socket.AF_INET6)
                    and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                    and found.getsockname()[1] == port):
                return found
            found.close()
    finally:
        os.close(pidfd)
    raise LookupError(f"process {pid} does not listen at {port}")


def kill_listener(pid, port):
    """The socket listens no more."""
    with listening_socket(pid, port) as listening:
        listening.shutdown(socket.SHUT_RDWR)


def take_port(pid, port):
    """The socket listens no more, and cannot be replaced as long as the one that is returned is
    open."""
    with listening_socket(pid, port) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        thief = socket.socket()
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            thief.setsockopt(socket.SOL_SOCKET, option, 1)
        thief.bind(("127.0.0.1", port))
        thief.listen()
        listening.shutdown(socket.SHUT_RDWR)
    return thief
