"""What an app does on a bad day: keys die, and the app does not notice until none is left."""

from __future__ import annotations

import asyncio
import concurrent.futures

import harness
import pytest


def test_a_key_revoked_between_calls(stage):
    client = stage.client()
    stage.sdk.chat(client)
    stage.revoke(stage.keys[0])
    for _ in range(3):
        assert stage.sdk.chat(client).choices[0].message.content
    assert stage.calls(stage.keys[1])[200] >= 3


def test_a_key_revoked_before_a_stream(stage):
    stage.revoke(stage.keys[0])
    chunks = list(stage.sdk.chat_stream(stage.client()))
    assert any(chunk.choices and chunk.choices[0].delta.content for chunk in chunks)


def test_a_key_revoked_during_200_concurrent_calls(stage):
    """Each of 200 callers calls three times; the key dies when a hundred answers are in."""

    async def scenario() -> None:
        answered = 0
        enough = asyncio.Event()

        async def caller(client) -> None:
            nonlocal answered
            for _ in range(3):
                answer = await stage.sdk.chat(client)
                assert answer.choices[0].message.content
                answered += 1
                if answered == 100:
                    enough.set()

        async def revoker() -> None:
            await enough.wait()
            await asyncio.to_thread(stage.revoke, stage.keys[0])

        async with stage.concurrent_client() as client:
            await asyncio.gather(revoker(), *(caller(client) for _ in range(200)))
        assert answered == 600

    asyncio.run(scenario())
    refused = stage.calls(stage.keys[0]).get(401, 0)
    assert 0 < refused <= 200 + 9, "no more useless calls than were in flight, and a few"


def test_streams_already_flowing_finish(stage):
    """Streams that began on a key end on it: what was revoked is the right to begin."""
    for key in stage.keys:
        stage.emulator.set(stage.sdk.provider, key, "slow", ms=20)
    client = stage.client()
    streams = [iter(stage.sdk.chat_stream(client)) for _ in range(5)]
    begun = [next(stream) for stream in streams]
    stage.revoke(stage.keys[0])
    with concurrent.futures.ThreadPoolExecutor(len(streams)) as pool:
        rests = list(pool.map(list, streams))
    for first, rest in zip(begun, rests, strict=True):
        chunks = [first, *rest]
        assert any(chunk.choices and chunk.choices[0].finish_reason for chunk in chunks), "the stream was cut"
    assert stage.sdk.chat(client).choices[0].message.content


def test_all_keys_revoked(stage):
    """The SDK raises its own error, and the text says what to do; no key is in it."""
    for key in stage.keys:
        stage.revoke(key)
    with pytest.raises(stage.sdk.sdk.InternalServerError) as raised:
        stage.sdk.chat(stage.client())
    error = raised.value
    assert error.status_code == 503
    assert error.response.headers["x-keywright-origin"] == "gateway"
    assert error.response.headers["x-keywright-cause"] == "invalid_key"
    assert error.response.headers["x-should-retry"] == "false"
    text = f"{error} {error.body}"
    assert "invalid_key" in text
    for key in stage.keys:
        assert harness.masked_tail(key) in text, "each key is named by its mask"
        assert key not in text


def test_all_keys_revoked_and_a_stream_asked_for(stage):
    for key in stage.keys:
        stage.revoke(key)
    with pytest.raises(stage.sdk.sdk.InternalServerError):
        list(stage.sdk.chat_stream(stage.client()))


def test_a_rotated_key_is_picked_up(sdk, emulator):
    """The new value is written to the file, the old one is revoked, and the next request is served: no restart."""
    old, new = emulator.key(sdk.provider), emulator.key(sdk.provider)
    token = harness.new_token()
    text = harness.configuration(emulator.url, {sdk.provider: ["dotenv://.env#THE_KEY"]}, tokens=[token])
    with harness.Gateway(text, files={".env": f"THE_KEY={old}\n"}) as gateway:
        client = sdk.client(gateway.url, token)
        sdk.chat(client)
        (gateway.folder / ".env").write_text(f"THE_KEY={new}\n")
        emulator.set(sdk.provider, old, "revoked")
        assert sdk.chat(client).choices[0].message.content
    assert emulator.calls(sdk.provider, new)[200] >= 1


def test_a_key_that_comes_back_after_all_were_out(sdk, emulator):
    """Nothing is for ever: a new value in the source serves again."""
    old = emulator.key(sdk.provider)
    token = harness.new_token()
    text = harness.configuration(emulator.url, {sdk.provider: ["dotenv://.env#THE_KEY"]}, tokens=[token])
    with harness.Gateway(text, files={".env": f"THE_KEY={old}\n"}) as gateway:
        client = sdk.client(gateway.url, token)
        emulator.set(sdk.provider, old, "revoked")
        with pytest.raises(sdk.sdk.InternalServerError):
            sdk.chat(client)
        new = emulator.key(sdk.provider)
        (gateway.folder / ".env").write_text(f"THE_KEY={new}\n")
        gateway.reload()

        def answers() -> bool:
            try:
                return bool(sdk.chat(client))
            except sdk.sdk.InternalServerError:
                return False

        harness.eventually(answers, "the new key serves")
