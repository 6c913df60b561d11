"""gRPC over mutual TLS: a caller without a certificate of our authority gets no connection."""

from pathlib import Path

import grpc

from common.certificates import CertificateFolder, Certificates


def server_credentials(folder: Path) -> grpc.ServerCredentials:
    """Return credentials that demand a client's certificate and follow the folder's files.

    gRPC asks before each handshake, in a thread of its own; connections that stand, stay.

    Raises:
        OSError: A file is missing.
        ValueError: The files do not fit together.
    """
    certificates = CertificateFolder(folder)

    def newer() -> grpc.ServerCertificateConfiguration | None:
        return _configuration(certificates.current) if certificates.changed() else None

    return grpc.dynamic_ssl_server_credentials(
        _configuration(certificates.current), newer, require_client_authentication=True
    )


def channel_credentials(certificates: Certificates) -> grpc.ChannelCredentials:
    """Return what a caller shows and trusts; the server's name must stand in its certificate."""
    return grpc.ssl_channel_credentials(certificates.trusted, certificates.key, certificates.chain)


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    pair = (certificates.key, certificates.chain)
    return grpc.ssl_server_certificate_configuration([pair], certificates.trusted)
