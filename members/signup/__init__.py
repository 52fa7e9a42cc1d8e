"""Sign-up by photographs: the card is read, the face is checked, the register is asked, a person decides when in doubt.

Inside, imports go down: ``tasks`` (jobs) and ``review`` | ``steps`` (the page) | ``starting`` (the conversation), ``outcome``,
``matching``, ``forgetting``, ``record``, ``words``.
"""

from members.signup.starting import PURPOSE, TRIES_A_DAY, Begun, Standing, begin, new_link, standing, stop, tries_left
from members.signup.steps import (
    CARD_TAKES,
    CHALLENGE_TIME,
    MOST_FRAME_BYTES,
    MOST_FRAMES,
    SELFIE_TAKES,
    Progress,
    ask_for_person,
    begin_challenge,
    claim_conversation,
    confirm_reading,
    is_bound,
    open_link,
    progress,
    put_card,
    put_frames,
    stop_here,
)
from members.signup.words import (
    AlreadySignedInError,
    ChallengeLateError,
    LinkError,
    SignUpError,
    TooManyTriesError,
    UnderReviewError,
)

__all__ = [
    "CARD_TAKES",
    "CHALLENGE_TIME",
    "MOST_FRAMES",
    "MOST_FRAME_BYTES",
    "PURPOSE",
    "SELFIE_TAKES",
    "TRIES_A_DAY",
    "AlreadySignedInError",
    "Begun",
    "ChallengeLateError",
    "LinkError",
    "Progress",
    "SignUpError",
    "Standing",
    "TooManyTriesError",
    "UnderReviewError",
    "ask_for_person",
    "begin",
    "begin_challenge",
    "claim_conversation",
    "confirm_reading",
    "is_bound",
    "new_link",
    "open_link",
    "progress",
    "put_card",
    "put_frames",
    "standing",
    "stop",
    "stop_here",
    "tries_left",
]
