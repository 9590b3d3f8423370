"""`together_ai.errors`: the exceptions."""

from keywright.compat._errors import *  # noqa: F403
from keywright.compat._errors import __all__ as __all__
