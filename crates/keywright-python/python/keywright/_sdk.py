"""Which versions of the SDK the clients work with."""

from __future__ import annotations

"""From the first of these major versions to the last."""
OLDEST, NEWEST = 1, 3


class UnsupportedSDK(ImportError):
    """The installed `openai` is missing, or of a version that the clients do not work with."""


def check_version(version: str) -> None:
    major = version.partition(".")[0]
    if not major.isdigit() or not OLDEST <= int(major) <= NEWEST:
        raise UnsupportedSDK(f"openai {version} is installed; keywright's clients work with openai>={OLDEST}.0,<{NEWEST + 1}. {_REMEDY}", name="openai")


def missing() -> UnsupportedSDK:
    return UnsupportedSDK(f"keywright's clients need the package openai>={OLDEST}.0,<{NEWEST + 1}. {_REMEDY}", name="openai")


_REMEDY = "Install one of them: pip install 'keywright[openai]'"
