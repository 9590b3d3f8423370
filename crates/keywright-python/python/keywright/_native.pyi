"""The rules, in Rust. What is public stands in `keywright`; this module has no promises of its own."""

from collections.abc import Sequence
from typing import Any, final

__all__ = [
    "REPLAY_LIMIT",
    "Attempts",
    "Reading",
    "Ring",
    "__version__",
    "causes",
    "classify",
    "doctor",
    "explain",
    "explain_raised",
    "facts",
    "inspect",
    "learn",
    "learn_here",
    "main",
    "mask",
    "providers",
    "redact",
]

__version__: str
REPLAY_LIMIT: int

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
def facts(provider: str, base_url: str | None = None) -> dict[str, Any]: ...
def inspect(value: str, provider: str | None = None) -> list[dict[str, Any]]: ...
def doctor(arguments: Sequence[str]) -> tuple[dict[str, Any], str]: ...
def mask(value: str) -> str: ...
def redact(text: str) -> str: ...
def learn(key: str) -> None: ...
def learn_here() -> None: ...
def causes() -> list[str]: ...
def providers() -> list[str]: ...

@final
class Ring:
    @staticmethod
    def open(
        provider: str, key: str | None, references: Sequence[str], remember: bool, own_server: bool
    ) -> tuple[Ring | None, dict[str, Any] | None]: ...
    def begin(self, method: str, path: str, body: bytes, replayable: bool) -> Attempts: ...
    def flush(self, patience: float) -> None: ...

@final
class Attempts:
    def step(self) -> tuple[Any, ...]: ...
    def answered(self, status: int, headers: Sequence[tuple[str, str]]) -> tuple[Any, ...]: ...
    def piece(self, piece: bytes | None) -> tuple[Any, ...]: ...
    def end(self) -> None: ...

@final
class Reading:
    def read(self) -> None: ...
