import pytest

from fl_server.folder import FederationFolder
from fl_server.report.assemble import build_with_record
from fl_server.report.formats import FORMATS


@pytest.fixture
def study(small_study):
    """Three rounds of three devices, whose whole ledgers were handed over."""
    small_study.round(0, 1)
    small_study.round(0, 1, 2)
    small_study.round(2)
    return small_study


def packed(folder: FederationFolder) -> bytes:
    document, record = build_with_record(folder)
    return FORMATS["bundle"].write(document, record, folder)


@pytest.fixture
def bundle(study) -> bytes:
    """What `fl-server report --format bundle` writes of it."""
    return packed(study.folder)


@pytest.fixture
def pack_again():
    return packed
