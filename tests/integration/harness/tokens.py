"""JSON Web Tokens made for a test, signed by openssl."""

import base64
import json
import os
import subprocess
import tempfile


def _base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _openssl(*arguments):
    return subprocess.run(("openssl",) + arguments, check=True, capture_output=True).stdout


class Issuer:
    """Signs tokens with an RSA key, which is in a JSON Web Key Set."""

    def __init__(self, folder, name="https://issuer.test"):
        self.name = name
        self._key = os.path.join(folder, "issuer.key")
        self.jwks_file = os.path.join(folder, "jwks.json")
        self.new_key()

    def new_key(self):
        """Another key, under another id, in the place of the one before."""
        _openssl("genrsa", "-out", self._key, "2048")
        modulus = _openssl("rsa", "-in", self._key, "-noout", "-modulus").decode().strip()
        n = bytes.fromhex(modulus.partition("=")[2])
        self.key_id = _base64url(n[:6])
        text = json.dumps({"keys": [{"kty": "RSA", "use": "sig", "alg": "RS256",
                                     "kid": self.key_id, "n": _base64url(n), "e": "AQAB"}]})
        with open(self.jwks_file + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(self.jwks_file + ".new", self.jwks_file)

    def token(self, **claims):
        header = {"typ": "JWT", "alg": "RS256", "kid": self.key_id}
        body = dict({"iss": self.name}, **claims)
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (header, body))
        with tempfile.NamedTemporaryFile() as f:
            f.write(text.encode())
            f.flush()
            signature = _openssl("dgst", "-sha256", "-sign", self._key, f.name)
        return f"{text}.{_base64url(signature)}"
