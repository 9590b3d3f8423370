"""Which versions of the SDK the clients work with."""

from __future__ import annotations

import typing

"""From the first of these versions on, and before the second one. The extra `openai` in `pyproject.toml` says the same."""
OLDEST, TOO_NEW = (1, 40), (4, 0)


class UnsupportedSDK(ImportError):
    """The installed `openai` is missing, or of a version that the clients do not work with."""


def check_version(version: str) -> None:
    if not OLDEST <= _numbers(version) < TOO_NEW:
        raise UnsupportedSDK(f"openai {version} is installed; keywright's clients work with {SUPPORTED}. {_REMEDY}", name="openai")


def missing() -> UnsupportedSDK:
    return UnsupportedSDK(f"keywright's clients need the package {SUPPORTED}. {_REMEDY}", name="openai")


def _numbers(version: str) -> tuple[int, int]:
    """The major and the minor number; two zeros where there are none."""
    major, minor = (*version.split("."), "")[:2]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)


SUPPORTED: typing.Final = f"openai>={OLDEST[0]}.{OLDEST[1]},<{TOO_NEW[0]}"
_REMEDY: typing.Final = f"Install one of them: pip install '{SUPPORTED}'"
