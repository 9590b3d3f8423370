"""The Python module, as a program imports it."""

from __future__ import annotations

import json

import keywright
import pytest

REFUSAL = {"error": {"message": "Incorrect API key provided: sk-proj-***.", "type": "invalid_request_error", "code": "invalid_api_key"}}


def test_a_refusal_is_diagnosed():
    diagnosis = keywright.classify("openai", 401, json.dumps(REFUSAL).encode(), "/v1/chat/completions")
    assert diagnosis["schema"] == 1
    assert diagnosis["verdict"] == "auth"
    assert diagnosis["provider"] == "openai"
    assert diagnosis["cause"] == diagnosis["page"] == "invalid_key"
    assert diagnosis["evidence"]
    assert all(fix["says"] for fix in diagnosis["fixes"])


def test_a_rate_limit_is_no_fault_of_the_key():
    body = {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}
    diagnosis = keywright.classify("openai", 429, json.dumps(body).encode())
    assert (diagnosis["verdict"], diagnosis["cause"]) == ("not_auth", "rate_limit")


def test_an_answer_that_is_no_failure_has_no_diagnosis():
    assert keywright.classify("openai", 200, b'{"object": "list", "data": []}') is None


def test_the_catalogue_is_the_same_as_everywhere():
    assert {"openai", "fireworks", "together"} <= set(keywright.providers())
    with pytest.raises(ValueError, match="no provider `nosuch`"):
        keywright.classify("nosuch", 401, b"")
