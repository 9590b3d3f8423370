"""What an app does on a good day: the SDK cannot tell the gateway from the provider."""

from __future__ import annotations

import pytest


def test_chat(stage):
    answer = stage.sdk.chat(stage.client())
    assert answer.choices[0].message.content
    assert stage.calls(stage.keys[0]) == {200: 1}


def test_streaming(stage):
    chunks = list(stage.sdk.chat_stream(stage.client()))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text
    assert len(chunks) > 2


@pytest.mark.embeddings
def test_embeddings(stage):
    vector = stage.sdk.embeddings(stage.client())
    assert len(vector) > 10


def test_an_upload_of_30_mib(stage):
    stage.sdk.upload(stage.client(), bytes(30 * 1024 * 1024))


def test_an_upload_of_30_mib_survives_a_revoked_key(stage):
    stage.revoke(stage.keys[0])
    stage.sdk.upload(stage.client(), bytes(30 * 1024 * 1024))
