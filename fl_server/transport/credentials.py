"""What opens Flower's interfaces on the loopback listener: secrets of this process, made at its start."""

import hmac
from collections.abc import Callable
from typing import Any

from flwr.common.constant import NOOP_ACCOUNT_NAME, NOOP_FLWR_AID
from flwr.supercore.auth.typing import AccountInfo
from flwr.supercore.interceptors.http.utils import add_headers
from flwr.superlink.auth_plugin import ControlAuthnPlugin


class TokenOnly(ControlAuthnPlugin):
    """Flower's control API answers only whoever holds this process's token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_login_details(self) -> None:
        return None

    def get_auth_tokens(self, device_code: str) -> None:
        return None

    def refresh_tokens(self, metadata: Any) -> tuple[None, None]:
        return None, None

    def validate_tokens_in_metadata(self, metadata: Any) -> tuple[bool, AccountInfo | None]:
        token = next((str(value) for _, value in metadata), "")
        if not hmac.compare_digest(token, self._token):
            return False, None
        return True, AccountInfo(flwr_aid=NOOP_FLWR_AID, account_name=NOOP_ACCOUNT_NAME)


class WithHeader:
    """Adds one header to every request."""

    def __init__(self, name: str, value: str) -> None:
        self._header = {name: value}

    def intercept(self, context: Any, call_next: Callable[[Any], Any]) -> Any:
        add_headers(context.request, self._header)
        return call_next(context)
