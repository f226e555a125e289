"""Where the operator's page is: an address that holds its token, in a file that only the owner can read."""

from fl_server.folder import FederationFolder
from shared_models.files import atomic_write

PATH = "/operator/"


def keep_address(folder: FederationFolder, port: int, token: str) -> str:
    """The page's address at this loopback port, kept for `fl-server status`."""
    address = f"http://127.0.0.1:{port}{PATH}?token={token}"
    atomic_write(folder.page_address, address.encode())
    return address
