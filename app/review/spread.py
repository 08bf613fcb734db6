"""Replaying on Ray: groups of records go out, counts come back."""

import os
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from app.domain.errors import BannetonError
from app.ledger.columns import Columns
from app.review.classes import Classes
from app.review.rulebook import Rulebook
from app.review.tally import Tally
