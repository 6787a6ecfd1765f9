"""A certificate for loopback, that no system trusts unless it is told to, and its key, which is no secret."""

import ssl
from pathlib import Path

KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgZiCxebmrigXqzamz
7dlu6Io0nUZyM6lzeAaWXPvpSQqhRANCAATSacQuJCYpPhlkxXfV37OgUHdCdrGS
GaLmKAZpGp0OYoopGF3z/XDgIeVYYDtQAjic4vtajf9UqKoK5mS3MYih
-----END PRIVATE KEY-----
"""

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIBATAKBggqhkjOPQQDAjAgMR4wHAYDVQQDDBVyZWNlaXZl
ciBvZiB0aGUgdGVzdHMwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBa
MCAxHjAcBgNVBAMMFXJlY2VpdmVyIG9mIHRoZSB0ZXN0czBZMBMGByqGSM49AgEG
CCqGSM49AwEHA0IABNJpxC4kJik+GWTFd9Xfs6BQd0J2sZIZouYoBmkanQ5iiikY
XfP9cOAh5VhgO1ACOJzi+1qN/1SoqgrmZLcxiKGjXjBcMA8GA1UdEwEB/wQFMAMB
Af8wDgYDVR0PAQH/BAQDAgKEMB0GA1UdDgQWBBSv0oA+tt5r3rrGGyQCyDRNUVz8
UTAaBgNVHREEEzARhwR/AAABgglsb2NhbGhvc3QwCgYIKoZIzj0EAwIDSAAwRQIg
WeQI/ApSiiqm+3pqyUtNmaqblGlF1OHifC/cJOeO5Z4CIQDB07AaEPmmTzVoE+uv
nqHwRCFYjS5NbEMYeADJj5b65g==
-----END CERTIFICATE-----
"""
"""For 127.0.0.1 and localhost, from 2020 to 2120, signed by itself."""


def server_side(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """What a server of ours speaks https with, and the file that its clients have to trust, in `folder`."""
    file = folder / "certificate.pem"
    file.write_text(CERTIFICATE)
    (folder / "key.pem").write_text(KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, folder / "key.pem")
    return context, file
