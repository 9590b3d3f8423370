"""`fireworks_ai`, as programs import it. The published package has other names; see `keywright explain fireworks_ai.errors.AuthenticationError`."""

from keywright._clients import AuthenticationError, FireworksAI
from keywright.compat.fireworks_ai import errors

__all__ = ["AuthenticationError", "FireworksAI", "errors"]
