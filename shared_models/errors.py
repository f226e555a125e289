"""The one exception tree. Every error says what happened, why, and what to do, and has a stable exit code.

AttuneError
|- UsageError          2   a command was called with options that do not fit together
|- SettingsError      10   a settings file or value is missing or wrong
|- DataError          11   a data set, manifest, video or label cannot be used
|- ModelError         12   weights or an architecture do not fit
|- PolicyError        13   a privacy policy is below a floor or above a cap
|- LedgerError        14   a ledger's chain or signature does not hold
|- CheckpointError    15   a checkpoint is damaged
|- AddressError       16   a port is taken, or an address cannot be reached
|- EnrolmentError     17   an invitation was refused
|- CertificateError   18   a certificate is expired or not the one expected
|- CameraError        19   no camera, or it stopped
|- StorageError       20   the disk is full or a file cannot be written
|- ConsentError       21   consent for this was not given, or the policy changed since
|- BudgetError        22   the lifetime privacy budget is spent
|- ClockError         23   the clock is too far off for a signed exchange
|- KeyStoreError      24   the key that opens the store is missing or wrong
|- RoundError         25   a round could not be completed
|- WireError          26   a message between server and device is malformed or does not fit
|- AuditError         27   an audit found more leakage than the claim allows
|- LegalError         28   the study may not start: a legal question is unanswered or its answer forbids it
|- VerificationError  29   a bundle of evidence does not verify
|- BackupError        30   a backup is damaged, foreign or newer than this program, or cannot be made
"""


class AttuneError(Exception):
    """Base of every error a user may see."""

    exit_code = 1

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        self.what, self.why, self.fix = what, why, fix
        happened = f"{what}: {why}" if why else what
        super().__init__(". ".join(part.rstrip(".") for part in (happened, fix) if part) + ".")


class UsageError(AttuneError):
    exit_code = 2


class SettingsError(AttuneError):
    exit_code = 10


class DataError(AttuneError):
    exit_code = 11


class ModelError(AttuneError):
    exit_code = 12


class PolicyError(AttuneError):
    exit_code = 13


class LedgerError(AttuneError):
    exit_code = 14


class CheckpointError(AttuneError):
    exit_code = 15


class AddressError(AttuneError):
    exit_code = 16


class EnrolmentError(AttuneError):
    exit_code = 17


class CertificateError(AttuneError):
    exit_code = 18


class CameraError(AttuneError):
    exit_code = 19


class StorageError(AttuneError):
    exit_code = 20


class ConsentError(AttuneError):
    exit_code = 21


class BudgetError(AttuneError):
    exit_code = 22


class ClockError(AttuneError):
    exit_code = 23


class KeyStoreError(AttuneError):
    exit_code = 24


class RoundError(AttuneError):
    exit_code = 25


class WireError(AttuneError):
    exit_code = 26

    def __init__(self, reason: str, what: str) -> None:
        self.reason = reason
        super().__init__(what, fix="Bring both sides to the same version of Attune")


class AuditError(AttuneError):
    exit_code = 27


class LegalError(AttuneError):
    exit_code = 28


class VerificationError(AttuneError):
    exit_code = 29


class BackupError(AttuneError):
    exit_code = 30
