"""`together_ai`, as programs import it. The published package has other names; see `keywright explain together_ai.errors.AuthenticationError`."""

from keywright._clients import AuthenticationError, TogetherAI
from keywright.compat.together_ai import errors

__all__ = ["AuthenticationError", "TogetherAI", "errors"]
