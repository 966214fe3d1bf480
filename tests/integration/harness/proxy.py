"""A TCP proxy that can be told to misbehave."""

import socket
import threading

from harness.ports import free_port, give_back


class TcpProxy:
    """Passes bytes between its own port and `target_port`.

    to_server, to_client: "pass", "drop" (read and throw away), "stall" (stop reading), "bytes" (one
    at a time) or "slow" (some 100 KiB per second), each for one direction, at any time. `refuse`
    closes new connections at once.
    """

    def __init__(self, target_port, port=None):
        self.port = port or free_port()
        self._own_ports = () if port else (self.port,)
        self.target_port = target_port
        self.connections = 0
        self.refuse = False
        self._modes = {"to_server": "pass", "to_client": "pass"}
        self._changed = threading.Condition()
        self._pairs = []
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def set(self, **modes):
        with self._changed:
            self._modes.update(modes)
            self._changed.notify_all()

    def heal(self):
        self.refuse = False
        self.set(to_server="pass", to_client="pass")

    def break_connections(self):
        """Ends every connection, as a pulled plug or a restarted middle box does."""
        with self._changed:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for side in pair:
                _shut(side)

    def close(self):
        with self._changed:
            self._closed = True
            ports, self._own_ports = self._own_ports, ()
            self._changed.notify_all()
        _shut(self._listener)
        self._listener.close()
        self.break_connections()
        give_back(*ports)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            if self.refuse:
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for side in (client, server):
                side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._changed:
                self._pairs.append((client, server))
            for direction, source, sink in (("to_server", client, server),
                                            ("to_client", server, client)):
                threading.Thread(target=self._pump, args=(direction, source, sink),
                                 daemon=True).start()

    def _send_slowly(self, sink, data, mode):
        step = 1 if mode == "bytes" else 1024
        for at in range(0, len(data), step):
            sink.sendall(data[at:at + step])
            if mode == "slow":
                with self._changed:
                    self._changed.wait_for(lambda: self._closed, 0.01)

    def _pump(self, direction, source, sink):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                with self._changed:
                    self._changed.wait_for(
                        lambda: self._closed or self._modes[direction] != "stall")
                    mode = self._modes[direction]
                if mode == "pass":
                    sink.sendall(data)
                elif mode != "drop":
                    self._send_slowly(sink, data, mode)
        except OSError:
            pass
        _shut(source)
        _shut(sink)


def _shut(side):
    try:
        side.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
