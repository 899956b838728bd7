"""A mail server that takes a login over TLS, for tests of whoever sends: it notes what came in the clear."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import email
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

GREETING = b"220 here\r\n"


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, ssl.SSLContext]:
    """A certificate that vouches for itself, as a file to trust and as a server's context."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, secret = folder / f"{name}.pem", folder / f"{name}.key"
    cert.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, secret)
    return cert, context


@dataclass
class MailServer:
    """Takes mail of whoever has logged in.

    Attributes:
        context: Of TLS.
        password: Of the user `crmd`.
        is_tls_offered: Whether STARTTLS is among what it can do; somebody in between may have taken it out.
        port: Where it listens.
        mails: What it took.
        clear: Lines that came without TLS.
    """

    context: ssl.SSLContext
    password: str
    is_tls_offered: bool = True
    port: int = 0
    mails: list[Any] = field(default_factory=list)
    clear: list[bytes] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation."""
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            writer.write(GREETING)
            is_known = False
            while line := await reader.readline():
                is_private = writer.get_extra_info("ssl_object") is not None
                if not is_private:
                    self.clear.append(line)
                word = line.split(b" ")[0].strip().upper()
                if word == b"STARTTLS":
                    writer.write(b"220 go on\r\n")
                    await writer.drain()
                    await writer.start_tls(self.context)
                    continue
                if word == b"AUTH":
                    is_known = self._is_right(line)
                writer.write(self._answer(word, is_private=is_private, is_known=is_known))
                await writer.drain()
                if word == b"DATA" and is_known:
                    text = await reader.readuntil(b"\r\n.\r\n")
                    self.mails.append(email.message_from_bytes(text[:-3], policy=policy.default))
                    writer.write(b"250 taken\r\n")
        writer.close()

    def _answer(self, word: bytes, *, is_private: bool, is_known: bool) -> bytes:
        if word == b"EHLO":
            more = b"250-AUTH PLAIN\r\n" if is_private else b"250-STARTTLS\r\n" if self.is_tls_offered else b""
            return b"250-here\r\n" + more + b"250 8BITMIME\r\n"
        if word == b"AUTH":
            return b"235 welcome\r\n" if is_known else b"535 canary-of-the-server\r\n"
        if word in {b"QUIT", b"RSET"}:
            return b"221 bye\r\n"
        if not is_known:
            return b"530 log in first\r\n"
        return b"354 go on\r\n" if word == b"DATA" else b"250 fine\r\n"

    def _is_right(self, line: bytes) -> bool:
        return base64.b64decode(line.split()[-1]) == b"\0crmd\0" + self.password.encode()


@contextlib.asynccontextmanager
async def serving_mail(server: MailServer, *, is_tls_at_once: bool = False) -> AsyncIterator[MailServer]:
    """Listen within the block."""
    context = server.context if is_tls_at_once else None
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=context)
    server.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield server
