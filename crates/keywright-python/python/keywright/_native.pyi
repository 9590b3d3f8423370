"""The rules, in Rust. What is public stands in `keywright`; this module has no promises of its own."""

from collections.abc import Sequence
from typing import Any

__all__ = [
    "__version__",
    "causes",
    "classify",
    "doctor",
    "explain",
    "explain_raised",
    "inspect",
    "learn",
    "main",
    "mask",
    "providers",
    "redact",
]

__version__: str

def main(arguments: Sequence[str]) -> int: ...
def classify(provider: str, status: int, body: bytes | bytearray | str, path: str = "") -> dict[str, Any] | None: ...
def explain(text: bytes | bytearray | str, here: bool) -> list[dict[str, Any]]: ...
def explain_raised(
    chain: Sequence[tuple[str, str]],
    url: str | None,
    status: int | None,
    headers: Sequence[tuple[str, str]],
    body: bytes | bytearray | str,
    sdk: str | None,
    provider: str | None,
    place: str,
    here: bool,
) -> dict[str, Any] | None: ...
def inspect(value: str, provider: str | None = None) -> list[dict[str, Any]]: ...
def doctor(arguments: Sequence[str]) -> tuple[dict[str, Any], str]: ...
def mask(value: str) -> str: ...
def redact(text: str) -> str: ...
def learn(key: str) -> None: ...
def causes() -> list[str]: ...
def providers() -> list[str]: ...
