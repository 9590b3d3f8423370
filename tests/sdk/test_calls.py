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


@pytest.mark.openai
def test_assistants(stage):
    """The whole arc of an old app: assistant, thread, message, run, streamed run, answer."""
    stage.emulator.settings(assistants="live")
    try:
        beta = stage.client().beta
        assistant = beta.assistants.create(model=stage.sdk.model, instructions="Be brief.")
        thread = beta.threads.create()
        beta.threads.messages.create(thread.id, role="user", content="Say hello.")
        run = beta.threads.runs.create(thread.id, assistant_id=assistant.id)
        assert beta.threads.runs.retrieve(run.id, thread_id=thread.id).id == run.id
        with beta.threads.runs.stream(thread_id=thread.id, assistant_id=assistant.id) as stream:
            assert "".join(stream.text_deltas)
        said = beta.threads.messages.list(thread.id)
        assert {message.role for message in said} == {"user", "assistant"}
        assert beta.assistants.delete(assistant.id).deleted
    finally:
        stage.emulator.settings(assistants="gone")


@pytest.mark.openai
def test_assistants_that_are_gone_are_a_404_and_no_failover(stage):
    with pytest.raises(stage.sdk.sdk.NotFoundError):
        stage.client().beta.assistants.create(model=stage.sdk.model)
    assert stage.calls(stage.keys[0]) == {404: 1}
    assert stage.calls(stage.keys[1]) == {}
