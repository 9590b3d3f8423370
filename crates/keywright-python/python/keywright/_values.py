"""What Keywright answers with: values that do not change, and that a person can print."""

from __future__ import annotations

import copy
import dataclasses
import typing

Confidence = typing.Literal["possible", "likely", "certain"]
Verdict = typing.Literal["auth", "not_auth", "unrecognised"]


@dataclasses.dataclass(frozen=True)
class Alternative:
    """Another cause that the evidence allows."""

    cause: str
    confidence: Confidence


@dataclasses.dataclass(frozen=True)
class Evidence:
    """One thing that was seen, and by whom."""

    witness: typing.Literal["text", "environment", "probe", "history"]
    says: str


@dataclasses.dataclass(frozen=True)
class Fix:
    """One thing to do, and the command that does it where there is one."""

    says: str
    command: str | None = None


@dataclasses.dataclass(frozen=True)
class Diagnosis:
    """Why a call failed: the cause, how sure that is, what was seen, and what mends it. It never holds a key.

    `str(diagnosis)` is what a person reads; `to_dict()` is what `keywright explain --json` prints.
    """

    verdict: Verdict
    """Whether the key is to blame."""
    provider: str
    """A catalogue id such as "openai", or "unknown"."""
    cause: str
    """The stable name of the cause; `keywright explain CAUSE` is its page."""
    confidence: Confidence
    title: str
    """What happened, in one line."""
    alternatives: tuple[Alternative, ...]
    evidence: tuple[Evidence, ...]
    fixes: tuple[Fix, ...]
    page: str
    """The page that holds the long form."""
    _text: str = dataclasses.field(repr=False, compare=False)
    _json: dict[str, typing.Any] = dataclasses.field(repr=False, compare=False)

    def __str__(self) -> str:
        return self._text

    def to_dict(self) -> dict[str, typing.Any]:
        """Plain dicts, lists and strings, in the shape that `keywright explain --schema` describes."""
        return copy.deepcopy(self._json)

    @classmethod
    def _of(cls, told: dict[str, typing.Any]) -> Diagnosis:
        found = told["diagnosis"]
        return cls(
            verdict=found["verdict"],
            provider=found["provider"],
            cause=found["cause"],
            confidence=found["confidence"],
            title=told["title"],
            alternatives=tuple(Alternative(**other) for other in found["alternatives"]),
            evidence=tuple(Evidence(**seen) for seen in found["evidence"]),
            fixes=tuple(Fix(**fix) for fix in found["fixes"]),
            page=found["page"],
            _text=told["text"],
            _json=found,
        )


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a value, or strange. Its words never hold the value."""

    cause: str
    severity: typing.Literal["note", "warning", "error"]
    says: str
    at: int | None = None
    """The index of the first character concerned."""
    code_point: str | None = None
    """The character there, as Unicode names it."""
    fix: Fix | None = None

    def __str__(self) -> str:
        return f"{self.severity}[{self.cause}]: {self.says}"

    @classmethod
    def _of(cls, found: dict[str, typing.Any]) -> Finding:
        fix = found.get("fix")
        return cls(
            cause=found["cause"],
            severity=found["severity"],
            says=found["says"],
            at=found.get("at"),
            code_point=found.get("code_point"),
            fix=Fix(**fix) if fix else None,
        )


@dataclasses.dataclass(frozen=True)
class Report:
    """What `keywright doctor` found. `str(report)` is what it prints, `to_dict()` is its `--json`."""

    status: typing.Literal["ok", "warn", "unknown", "fail"]
    diagnosis: dict[str, typing.Any] | None
    """The worst finding as a diagnosis, in the shape of `Diagnosis.to_dict()`."""
    _text: str = dataclasses.field(repr=False, compare=False)
    _json: dict[str, typing.Any] = dataclasses.field(repr=False, compare=False)

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong. Warnings are allowed."""
        return self.status in ("ok", "warn")

    def __str__(self) -> str:
        return self._text

    def to_dict(self) -> dict[str, typing.Any]:
        """Plain dicts, lists and strings."""
        return copy.deepcopy(self._json)
