from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PolicyRequest(_message.Message):
    __slots__ = ("version", "secret", "device")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    version: int
    secret: bytes
    device: DeviceProof
    def __init__(self, version: _Optional[int] = ..., secret: _Optional[bytes] = ..., device: _Optional[_Union[DeviceProof, _Mapping]] = ...) -> None: ...

class DeviceProof(_message.Message):
    __slots__ = ("pseudonym", "at", "proof")
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    pseudonym: str
    at: int
    proof: bytes
    def __init__(self, pseudonym: _Optional[str] = ..., at: _Optional[int] = ..., proof: _Optional[bytes] = ...) -> None: ...

class Terms(_message.Message):
    __slots__ = ("study", "title", "controller", "contact", "purpose", "consent_text", "policy", "server_key", "signature", "live_reading")
    STUDY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    CONSENT_TEXT_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SERVER_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    LIVE_READING_FIELD_NUMBER: _ClassVar[int]
    study: str
    title: str
    controller: str
    contact: str
    purpose: str
    consent_text: str
    policy: str
    server_key: bytes
    signature: bytes
    live_reading: bool
    def __init__(self, study: _Optional[str] = ..., title: _Optional[str] = ..., controller: _Optional[str] = ..., contact: _Optional[str] = ..., purpose: _Optional[str] = ..., consent_text: _Optional[str] = ..., policy: _Optional[str] = ..., server_key: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., live_reading: _Optional[bool] = ...) -> None: ...

class EnrolRequest(_message.Message):
    __slots__ = ("version", "secret", "node_key", "ledger_key", "head", "node_proof", "ledger_proof")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SECRET_FIELD_NUMBER: _ClassVar[int]
    NODE_KEY_FIELD_NUMBER: _ClassVar[int]
    LEDGER_KEY_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    NODE_PROOF_FIELD_NUMBER: _ClassVar[int]
    LEDGER_PROOF_FIELD_NUMBER: _ClassVar[int]
    version: int
    secret: bytes
    node_key: bytes
    ledger_key: bytes
    head: LedgerHead
    node_proof: bytes
    ledger_proof: bytes
    def __init__(self, version: _Optional[int] = ..., secret: _Optional[bytes] = ..., node_key: _Optional[bytes] = ..., ledger_key: _Optional[bytes] = ..., head: _Optional[_Union[LedgerHead, _Mapping]] = ..., node_proof: _Optional[bytes] = ..., ledger_proof: _Optional[bytes] = ...) -> None: ...

class EnrolReply(_message.Message):
    __slots__ = ("pseudonym", "fleet_address", "terms")
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    FLEET_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    TERMS_FIELD_NUMBER: _ClassVar[int]
    pseudonym: str
    fleet_address: str
    terms: Terms
    def __init__(self, pseudonym: _Optional[str] = ..., fleet_address: _Optional[str] = ..., terms: _Optional[_Union[Terms, _Mapping]] = ...) -> None: ...

class LedgerHead(_message.Message):
    __slots__ = ("entries", "hash")
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    HASH_FIELD_NUMBER: _ClassVar[int]
    entries: int
    hash: str
    def __init__(self, entries: _Optional[int] = ..., hash: _Optional[str] = ...) -> None: ...

class ReceiptRequest(_message.Message):
    __slots__ = ("version", "pseudonym", "head", "proof")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    version: int
    pseudonym: str
    head: LedgerHead
    proof: bytes
    def __init__(self, version: _Optional[int] = ..., pseudonym: _Optional[str] = ..., head: _Optional[_Union[LedgerHead, _Mapping]] = ..., proof: _Optional[bytes] = ...) -> None: ...

class ReceiptReply(_message.Message):
    __slots__ = ("at", "signature")
    AT_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    at: int
    signature: bytes
    def __init__(self, at: _Optional[int] = ..., signature: _Optional[bytes] = ...) -> None: ...

class WithdrawRequest(_message.Message):
    __slots__ = ("version", "pseudonym", "proof")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    version: int
    pseudonym: str
    proof: bytes
    def __init__(self, version: _Optional[int] = ..., pseudonym: _Optional[str] = ..., proof: _Optional[bytes] = ...) -> None: ...

class WithdrawReply(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
