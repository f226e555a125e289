"""Whether this study may show people what a model makes of them."""

from fl_client.home import Enrolment
from shared_models.errors import ConsentError


def require_live_reading(enrolment: Enrolment) -> None:
    """Raises ConsentError where the study's terms do not allow it."""
    if not enrolment.live_reading:
        raise ConsentError(
            "Live reading is off in this study",
            why="where its people live the law asks for an answer before a model reads anybody's emotions in education,"
            " and the study has recorded none",
            fix="Everything else works without it; whoever runs the study can answer `live_reading`",
        )
