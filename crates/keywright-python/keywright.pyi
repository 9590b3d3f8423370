"""Say exactly why an LLM API key failed."""

from typing import Literal, TypedDict
from typing_extensions import NotRequired

__version__: str

class Alternative(TypedDict):
    cause: str
    confidence: Literal["possible", "likely", "certain"]

class Evidence(TypedDict):
    witness: Literal["text", "environment", "probe", "history"]
    says: str

class Fix(TypedDict):
    says: str
    command: NotRequired[str]

class Diagnosis(TypedDict):
    schema: int
    verdict: Literal["auth", "not_auth", "unrecognised"]
    provider: str
    cause: str
    confidence: Literal["possible", "likely", "certain"]
    alternatives: list[Alternative]
    evidence: list[Evidence]
    fixes: list[Fix]
    page: str

class Finding(TypedDict):
    cause: str
    severity: Literal["warning", "error"]
    says: str
    at: int | None

def classify(provider: str, status: int, body: bytes | bytearray | str, path: str = "") -> Diagnosis | None:
    """Say why a provider refused, from the status and the body that it sent; None when it did not.

    Raises ValueError for a provider that is not in the catalogue.
    """

def inspect(value: str, provider: str) -> list[Finding]:
    """Inspect a value that should be a key of a provider, offline. The worst finding comes first.

    Raises ValueError for a provider that is not in the catalogue.
    """

def mask(value: str) -> str:
    """Mask a key: its public prefix, an ellipsis and its last four characters."""

def redact(text: str) -> str:
    """Put masks in the place of everything in a text that has the shape of a known kind of key."""

def causes() -> list[str]:
    """The stable names of all causes."""

def providers() -> list[str]:
    """The ids of the providers in the catalogue."""
