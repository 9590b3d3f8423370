"""What becomes of answers that are odd: cut off, too long, encoded, with a key in them."""

import asyncio
import gzip
import importlib
import io
import json
import os

import harness
import keywright
import openai
import pytest
from keywright._transport import library_of

"""The httpx that this SDK brought."""
httpx = importlib.import_module(library_of(openai._base_client.SyncHttpxClientWrapper))

HELLO = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
MIB = 1024 * 1024


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """These pieces, then an end or a failure; it knows how much of it was taken."""

    def __init__(self, pieces, failure=None):
        self._pieces, self._failure, self.taken = pieces, failure, 0

    def __iter__(self):
        for piece in self._pieces:
            self.taken += len(piece)
            yield piece
        if self._failure:
            raise self._failure

    async def __aiter__(self):
        for piece in self:
            yield piece


def client_of(answer, **options):
    """A client whose requests are answered by this function, and the requests that it got."""
    seen = []

    def handle(request):
        seen.append(request.headers["authorization"].removeprefix("Bearer "))
        request.read()
        return answer(request)

    own = httpx.Client(transport=httpx.MockTransport(handle))
    return keywright.OpenAI(http_client=own, max_retries=2, **options), seen


def asynchronous_client_of(answer, **options):
    seen = []

    async def handle(request):
        seen.append(request.headers["authorization"].removeprefix("Bearer "))
        await request.aread()
        return answer(request)

    own = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return keywright.AsyncOpenAI(http_client=own, max_retries=2, **options), seen


@pytest.fixture
def key(monkeypatch):
    made = harness.new_key("openai")
    monkeypatch.setenv("OPENAI_API_KEY", made)
    return made


def cut_off(request):
    headers = {"content-type": "text/event-stream"}
    return httpx.Response(200, headers=headers, stream=Body([b": ping\n\n"], httpx.RemoteProtocolError("peer closed connection")))


"""What SDKs raise of it; newer ones have a name of their own."""
CUT_OFF = (httpx.RemoteProtocolError, openai.APIConnectionError)


def test_a_stream_that_may_have_run_is_not_sent_again(key):
    client, seen = client_of(cut_off)
    with pytest.raises(CUT_OFF):
        list(client.chat.completions.create(**HELLO, stream=True))
    assert len(seen) == 1


def test_an_awaited_stream_that_may_have_run_is_not_sent_again(key):
    client, seen = asynchronous_client_of(cut_off)

    async def call():
        return [event async for event in await client.chat.completions.create(**HELLO, stream=True)]

    with pytest.raises(CUT_OFF):
        asyncio.run(call())
    assert len(seen) == 1


def echo(request, encode=lambda body: body, headers=()):
    credential = request.headers["authorization"]
    body = {"error": {"message": f"{credential} may not do this", "type": "invalid_request_error", "param": None, "code": None}}
    headers = {"content-type": "application/json", "x-echo": credential, "x-request-id": "req_1", **dict(headers)}
    return httpx.Response(400, headers=headers, content=encode(json.dumps(body).encode()))


def zipped(request):
    return echo(request, gzip.compress, {"content-encoding": "gzip"})


@pytest.mark.parametrize("answer", [echo, zipped])
@pytest.mark.parametrize("shape", ["known", "unknown"])
def test_a_refusal_shows_no_key(monkeypatch, answer, shape):
    key = harness.new_key("openai") if shape == "known" else "Zq7" + os.urandom(24).hex() + "!x"
    client, seen = client_of(answer, api_key=key)
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**HELLO)
    asynchronous, seen_there = asynchronous_client_of(answer, api_key=key)
    with pytest.raises(openai.BadRequestError) as awaited:
        asyncio.run(asynchronous.chat.completions.create(**HELLO))
    assert seen == seen_there == [key]
    for error in (raised.value, awaited.value):
        assert "may not do this" in str(error) and error.request_id == "req_1" and error.diagnosis
        shown = [str(error), repr(error.body), error.response.text, *error.response.headers.values(), *error.request.headers.values()]
        assert not any(key in text or key[20:-20] in text for text in shown)


def test_of_a_long_error_only_the_beginning_is_read(key):
    piece = b"x" * 4096
    bodies = []

    def long(request):
        bodies.append(Body([piece] * 4096))
        return httpx.Response(400, headers={"content-type": "text/plain"}, stream=bodies[-1])

    client, _ = client_of(long)
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**HELLO)
    assert MIB <= bodies[0].taken <= MIB + len(piece)
    assert len(raised.value.response.content) == bodies[0].taken


def test_an_error_that_grows_when_it_is_decoded_is_not_decoded_whole(key):
    """64 MiB in 64 KiB: what is decoded is what counts."""
    bomb = gzip.compress(b"x" * (64 * MIB))

    def answer(request):
        return httpx.Response(400, headers={"content-type": "text/plain", "content-encoding": "gzip"}, content=bomb)

    client, _ = client_of(answer)
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(**HELLO)
    assert MIB <= len(raised.value.response.content) <= 2 * MIB


ODD_ERRORS = {
    "not encoded as it says": lambda: httpx.Response(400, headers={"content-encoding": "gzip"}, stream=Body([b"no gzip"])),
    "cut off": lambda: httpx.Response(400, stream=Body([b'{"error"'], httpx.RemoteProtocolError("peer closed connection"))),
}


@pytest.mark.parametrize("odd", ODD_ERRORS.values(), ids=ODD_ERRORS.keys())
def test_an_odd_error_is_an_error_still(key, odd):
    client, seen = client_of(lambda request: odd())
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**HELLO)
    asynchronous, seen_there = asynchronous_client_of(lambda request: odd())
    with pytest.raises(openai.BadRequestError):
        asyncio.run(asynchronous.chat.completions.create(**HELLO))
    assert seen == seen_there == [key]


def refused(request):
    body = {"error": {"message": "Incorrect API key provided: sk-x.", "type": "invalid_request_error", "code": "invalid_api_key"}}
    return httpx.Response(401, json=body)


def test_an_upload_that_cannot_be_sent_again_says_why_it_failed(key, monkeypatch):
    monkeypatch.setattr("keywright._native.REPLAY_LIMIT", 100)
    client, seen = client_of(refused)
    with pytest.raises(keywright.AuthenticationError) as raised:
        client.files.create(file=("data.jsonl", io.BytesIO(b"{}\n" * 1000)), purpose="batch")
    assert raised.value.diagnosis.cause == "invalid_key"
    assert seen == [key]
