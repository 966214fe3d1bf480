"""NATS's nkeys and JWTs, made for a test; openssl does the Ed25519."""

import base64
import json
import os
import subprocess
import tempfile
import time

_PREFIX = {"operator": 14 << 3, "account": 0, "user": 20 << 3}
_SEED = 18 << 3
_PKCS8 = bytes.fromhex("302e020100300506032b657004220420")


def _crc16(data):
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc.to_bytes(2, "little")


def _encode(data):
    return base64.b32encode(data + _crc16(data)).rstrip(b"=").decode()


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class NKey:
    """A key of an operator, an account or a user."""

    def __init__(self, folder, kind):
        self.kind = kind
        raw = os.urandom(32)
        prefix = _PREFIX[kind]
        self.seed = _encode(bytes([_SEED | (prefix >> 5), (prefix & 31) << 3]) + raw)
        self._der = os.path.join(folder, f"{self.seed[:8]}.der")
        with open(self._der, "wb") as f:
            f.write(_PKCS8 + raw)
        public = self._openssl("pkey", "-inform", "DER", "-in", self._der, "-pubout",
                               "-outform", "DER")
        self.public = _encode(bytes([prefix]) + public[-32:])

    @staticmethod
    def _openssl(*arguments):
        return subprocess.run(("openssl",) + arguments, check=True, capture_output=True).stdout

    def sign(self, data):
        with tempfile.NamedTemporaryFile() as f:
            f.write(data)
            f.flush()
            return self._openssl("pkeyutl", "-sign", "-rawin", "-keyform", "DER", "-inkey",
                                 self._der, "-in", f.name)

    def certify(self, subject, name, **claims):
        """A JWT about another key."""
        body = {"jti": name, "iat": int(time.time()), "iss": self.public, "name": name,
                "sub": subject.public, "nats": dict(claims, type=subject.kind, version=2)}
        header = {"typ": "JWT", "alg": "ed25519-nkey"}
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (header, body))
        return f"{text}.{_base64url(self.sign(text.encode()))}"

    def connect_options(self, nonce, jwt=None):
        """What a client with this key says in CONNECT."""
        options = {"sig": _base64url(self.sign(nonce.encode()))}
        options.update({"jwt": jwt} if jwt else {"nkey": self.public})
        return options


def credentials_text(jwt, key):
    """A credentials file, as nsc writes it."""
    return (f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{key.seed}\n------END USER NKEY SEED------\n")
