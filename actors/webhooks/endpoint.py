"""The other end of a hook: one POST at a time, over a connection of its own, within a time that nothing prolongs."""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

FIRST_FINAL = 200
"""A status below says that the answer is yet to come, such as 103 (RFC 9110, 15.2)."""


class NoAnswer(Exception):
    """There was none in time, or it made no sense. The message says why, and shows no URL."""


class Answer(NamedTuple):
    """What was answered, as far as it matters: what follows the headers is not read."""

    status: int
    retry_after: str | None


class _Incoming(io.RawIOBase):
    """What comes over a socket until a moment: a peer that sends a byte now and then gains nothing."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        self._socket = sock
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(_left(self._end))
        return self._socket.recv_into(buffer)


class _Reader(io.BufferedReader):
    """What several `HTTPResponse` read one after the other: none loses what comes after it."""

    def makefile(self, _mode: str) -> Self:
        """All that it wants of a socket."""
        return self

    def close(self) -> None:
        """Leave it open: each closes what it has read from."""


class Endpoint:
    """A URL that is POSTed to. No proxy is used, no redirect followed; https is checked by the system's certificates.

    Args:
        url: http or https, with a host.
        timeout: seconds for all of it, but for the look-up of the host's name, which only the system's resolver bounds.

    """

    def __init__(self, url: str, timeout: float) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None, "the configuration was looked at"
        self._host = parts.hostname
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._is_aborted = False

    def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send it and hear what is said to it.

        Raises:
            NoAnswer: nobody took it.

        """
        end = time.monotonic() + self._timeout
        try:
            return self._exchange(headers, body, end)
        except TimeoutError:
            raise NoAnswer(f"no answer within {self._timeout:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise NoAnswer(f"its certificate is not to be trusted: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise NoAnswer(f"no TLS with it: {error.reason}") from None
        except socket.gaierror as error:
            raise NoAnswer(f"its host is not found: {error.strerror}") from None
        except http.client.RemoteDisconnected:
            raise NoAnswer("it closed the connection without an answer") from None
        except OSError as error:
            raise NoAnswer((error.strerror or type(error).__name__).lower()) from None
        except http.client.HTTPException:
            raise NoAnswer("what it answers is no HTTP") from None  # the answer itself is a stranger's text
        finally:
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def abort(self) -> None:
        """End what is under way, and let nothing begin any more. Any thread."""
        self._is_aborted = True
        if (sock := self._socket) is not None:
            with suppress(OSError):  # it was not connected yet, or has just been closed
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    # ------------------------------------------------------------ within

    def _exchange(self, headers: Mapping[str, str], body: bytes, end: float) -> Answer:
        sock = self._connect(end)
        if self._tls is not None:
            sock = self._tls.wrap_socket(sock, server_hostname=self._host, do_handshake_on_connect=False)
            self._use(sock)
            sock.settimeout(_left(end))
            sock.do_handshake()
        connection = (
            http.client.HTTPConnection(self._host, self._port)
            if self._tls is None
            else http.client.HTTPSConnection(self._host, self._port, context=self._tls)
        )
        connection.sock = sock
        sock.settimeout(_left(end))
        connection.request("POST", self._target, body, {**headers, "Connection": "close"})
        reader = _Reader(_Incoming(sock, end))
        while True:
            response = http.client.HTTPResponse(reader, method="POST")  # type: ignore[arg-type] # see there
            response.begin()
            if response.status >= FIRST_FINAL:
                return Answer(response.status, response.headers.get("retry-after"))

    def _connect(self, end: float) -> socket.socket:
        """A connection to the first of the host's addresses that takes it; each has its share of the time."""
        addresses = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        for number, (family, kind, protocol, _, address) in enumerate(addresses, start=1):
            sock = socket.socket(family, kind, protocol)
            self._use(sock)
            try:
                sock.settimeout(_left(end) / (len(addresses) - number + 1))
                sock.connect(address)
            except OSError:
                sock.close()
                if number == len(addresses):
                    raise
            else:
                return sock
        raise NoAnswer("its host has no address")

    def _use(self, sock: socket.socket) -> None:
        """Let `abort` know which socket is in use."""
        self._socket = sock
        if self._is_aborted:
            raise NoAnswer("this end is stopping")


def _left(end: float) -> float:
    """Seconds until then. Raises `TimeoutError` where there are none: 0 would mean not to wait."""
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
