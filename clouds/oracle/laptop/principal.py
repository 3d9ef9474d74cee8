"""A made-up identity in the form that Oracle gives to functions: a resource principal, version 2.2.

It gives access to nothing: the stand-in checks that a request is signed, not by whom.
"""

import datetime
import ipaddress
import json
import ssl
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from local.data_folder import write_secret

YEARS = datetime.timedelta(days=3650)
REALM = "oraclecloud.com"
REGION_KEYS = {"us-phoenix-1": "phx", "us-ashburn-1": "iad", "eu-frankfurt-1": "fra", "uk-london-1": "lhr"}


class Principal:
    """The function's key and token, and the stand-in's certificate authority and certificate, as files in `folder`.

    They are created on first use and kept. Raises OSError if the folder cannot be written.
    """

    def __init__(self, folder: Path, region: str = "us-phoenix-1") -> None:
        self.folder = folder.absolute()
        self.region = region
        self.key = self.folder / "private.pem"
        self.token = self.folder / "rpst"
        self.authority = self.folder / f"ca-{region}.pem"
        self.certificate = self.folder / f"server-{region}.pem"
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self.token.exists():
            self._make_token()

    def environment(self) -> dict[str, str]:
        """Return exactly the variables that the platform sets for a function."""
        region_key = REGION_KEYS.get(self.region, "phx")
        return {
            "OCI_RESOURCE_PRINCIPAL_VERSION": "2.2",
            "OCI_RESOURCE_PRINCIPAL_RPST": str(self.token),
            "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM": str(self.key),
            "OCI_RESOURCE_PRINCIPAL_REGION": self.region,
            "OCI_REGION_METADATA": json.dumps(
                {
                    "realmKey": "oc1",
                    "realmDomainComponent": REALM,
                    "regionKey": region_key.upper(),
                    "regionIdentifier": self.region,
                }
            ),
            "FN_APP_ID": f"ocid1.fnapp.oc1.{region_key}.local",
            "FN_APP_NAME": "visitor-counter",
            "FN_FN_ID": f"ocid1.fnfunc.oc1.{region_key}.local",
            "FN_FN_NAME": "visitor-counter",
            "FN_MEMORY": "256",
            "FN_TYPE": "sync",
            "FN_FORMAT": "http-stream",
        }

    def server_context(self) -> ssl.SSLContext:
        """Return a TLS context with a certificate for Oracle's host names, valid for clients that trust `authority`."""
        if not self.certificate.exists():
            self._make_certificate()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate)
        return context

    def _make_token(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        secret = private_pem(key)
        write_secret(self.key, secret)
        now = datetime.datetime.now(datetime.UTC)
        claims = {
            "sub": "ocid1.fnfunc.oc1.phx.local",
            "iat": now,
            "exp": now + YEARS,
            "ptype": "resource",
            "res_type": "fnfunc",
            "res_tenant": "ocid1.tenancy.oc1..local",
            "res_compartment": "ocid1.compartment.oc1..local",
        }
        # The token is written last: it marks the folder as complete.
        write_secret(self.token, jwt.encode(claims, secret, algorithm="RS256").encode())

    def _make_certificate(self) -> None:
        """Create a certificate authority for this one certificate and drop its key, so that it cannot sign another."""
        now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        hosts = [f"{service}.{self.region}.{REALM}" for service in ("objectstorage", "notification")] + ["localhost"]
        authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Visitor counter, local authority")])
        server_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Visitor counter, local stand-in")])
        certificate_sign = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        start = x509.CertificateBuilder(issuer_name=authority_name, not_valid_before=now, not_valid_after=now + YEARS)
        authority = (
            start.subject_name(authority_name)
            .public_key(authority_key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(certificate_sign, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
            .sign(authority_key, hashes.SHA256())
        )
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
        server = (
            start.subject_name(server_name)
            .public_key(server_key.public_key())
            .serial_number(x509.random_serial_number())
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
            .sign(authority_key, hashes.SHA256())
        )
        encoding = serialization.Encoding.PEM
        self.authority.write_bytes(authority.public_bytes(encoding))
        write_secret(self.certificate, private_pem(server_key) + server.public_bytes(encoding))


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as unencrypted PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
