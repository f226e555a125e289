from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DescribeRequest(_message.Message):
    __slots__ = ("secret",)
    SECRET_FIELD_NUMBER: _ClassVar[int]
    secret: bytes
    def __init__(self, secret: _Optional[bytes] = ...) -> None: ...

class StudyDescription(_message.Message):
    __slots__ = ("study", "title", "controller", "contact", "purpose", "consent_text", "policy", "policy_signature", "server_key")
    STUDY_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    CONTROLLER_FIELD_NUMBER: _ClassVar[int]
    CONTACT_FIELD_NUMBER: _ClassVar[int]
    PURPOSE_FIELD_NUMBER: _ClassVar[int]
    CONSENT_TEXT_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    POLICY_SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    SERVER_KEY_FIELD_NUMBER: _ClassVar[int]
    study: str
    title: str
    controller: str
    contact: str
    purpose: str
    consent_text: str
    policy: str
    policy_signature: bytes
    server_key: bytes
    def __init__(self, study: _Optional[str] = ..., title: _Optional[str] = ..., controller: _Optional[str] = ..., contact: _Optional[str] = ..., purpose: _Optional[str] = ..., consent_text: _Optional[str] = ..., policy: _Optional[str] = ..., policy_signature: _Optional[bytes] = ..., server_key: _Optional[bytes] = ...) -> None: ...

class EnrolRequest(_message.Message):
    __slots__ = ("secret", "node_key", "ledger_key", "node_proof", "ledger_proof")
    SECRET_FIELD_NUMBER: _ClassVar[int]
    NODE_KEY_FIELD_NUMBER: _ClassVar[int]
    LEDGER_KEY_FIELD_NUMBER: _ClassVar[int]
    NODE_PROOF_FIELD_NUMBER: _ClassVar[int]
    LEDGER_PROOF_FIELD_NUMBER: _ClassVar[int]
    secret: bytes
    node_key: bytes
    ledger_key: bytes
    node_proof: bytes
    ledger_proof: bytes
    def __init__(self, secret: _Optional[bytes] = ..., node_key: _Optional[bytes] = ..., ledger_key: _Optional[bytes] = ..., node_proof: _Optional[bytes] = ..., ledger_proof: _Optional[bytes] = ...) -> None: ...

class EnrolReply(_message.Message):
    __slots__ = ("pseudonym", "fleet_address", "study")
    PSEUDONYM_FIELD_NUMBER: _ClassVar[int]
    FLEET_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    STUDY_FIELD_NUMBER: _ClassVar[int]
    pseudonym: str
    fleet_address: str
    study: StudyDescription
    def __init__(self, pseudonym: _Optional[str] = ..., fleet_address: _Optional[str] = ..., study: _Optional[_Union[StudyDescription, _Mapping]] = ...) -> None: ...
