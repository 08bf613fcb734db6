"""The one scan of this process: it is slow to make and holds nothing of a text."""

import logging
from functools import cache

from app.guardrails.recognizers.scan import Scan

_WARM_UP = (
    "a@example.com +1 212 555 0100 4111111111111111 DE89370400440532013000 10.0.0.10 AB123456C"
)
"""Something of each costly kind, so that lists and tables are read when a policy loads."""


@cache
def shared_scan() -> Scan:
    """Recognizers, ready and warm."""
    # Some of Presidio's recognizers log the value that they could not check.
    logging.getLogger("presidio-analyzer").disabled = True
    scan = Scan()
    scan.candidates(_WARM_UP)
    return scan
