"""Certificates made for a test, by openssl."""

import os
import socket
import ssl
import subprocess
import warnings

import grpc

LOOPBACK = "DNS:localhost,IP:127.0.0.1"


def _openssl(*arguments):
    subprocess.run(("openssl",) + arguments, check=True, capture_output=True)


def handshake(port, version=ssl.TLSVersion.TLSv1_3, alpn="h2"):
    """The certificate, as PEM, that a new connection to a port of this machine is shown with this
    version of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.set_alpn_protocols([alpn])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Of the versions it is about.
        context.minimum_version = context.maximum_version = version
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        with context.wrap_socket(plain) as connection:
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True))


class Certificate:
    """A certificate and its key, as files."""

    def __init__(self, cert_file, key_file):
        self.cert_file = cert_file
        self.key_file = key_file

    def read(self):
        """(key, certificate), as bytes."""
        with open(self.key_file, "rb") as key, open(self.cert_file, "rb") as cert:
            return key.read(), cert.read()

    def replace(self, other):
        """Puts the files of `other` in the place of these, one after the other."""
        for source, target in ((other.key_file, self.key_file),
                               (other.cert_file, self.cert_file)):
            with open(source, "rb") as f, open(target + ".new", "wb") as new:
                new.write(f.read())
            os.rename(target + ".new", target)


class Authority:
    """Signs certificates."""

    def __init__(self, folder, name="authority"):
        self._folder = os.path.join(folder, name)
        os.makedirs(self._folder)
        self._serial = 0
        self.ca_file = self._path("ca.pem")
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "2", "-subj", f"/CN={name}", "-keyout", self._path("ca.key"),
                 "-out", self.ca_file)

    def _path(self, name):
        return os.path.join(self._folder, name)

    def issue(self, common_name, san="", days=2, usage="", curve="P-256", rsa_bits=None):
        """A certificate; `days` -1: one that has expired. `san`, and `usage` of the key, as openssl
        writes them. Its key is of a curve, or else RSA."""
        key = ([f"rsa:{rsa_bits}"] if rsa_bits
               else ["ec", "-pkeyopt", f"ec_paramgen_curve:{curve}"])
        self._serial += 1
        base = self._path(str(self._serial))
        _openssl("req", "-newkey", *key, "-nodes", "-subj", f"/CN={common_name}",
                 "-keyout", base + ".key", "-out", base + ".csr")
        with open(base + ".ext", "w", encoding="ascii") as f:
            f.write("keyUsage = digitalSignature\n" + (f"subjectAltName = {san}\n" if san else "")
                    + (f"extendedKeyUsage = {usage}\n" if usage else ""))
        _openssl("x509", "-req", "-in", base + ".csr", "-CA", self.ca_file,
                 "-CAkey", self._path("ca.key"), "-set_serial", str(self._serial),
                 "-days", str(days), "-extfile", base + ".ext", "-out", base + ".pem")
        return Certificate(base + ".pem", base + ".key")

    def read(self):
        with open(self.ca_file, "rb") as f:
            return f.read()

    def credentials(self, certificate=None):
        """Of a client that trusts this authority, and shows `certificate`."""
        key, cert = certificate.read() if certificate else (None, None)
        return grpc.ssl_channel_credentials(self.read(), key, cert)

    def ssl_context(self, certificate=None):
        """The same for Python's own clients."""
        context = ssl.create_default_context(cafile=self.ca_file)
        if certificate:
            context.load_cert_chain(certificate.cert_file, certificate.key_file)
        return context
