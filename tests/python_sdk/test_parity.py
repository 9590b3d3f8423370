"""What works with the official client works the same way here: attempts, exceptions and what they carry, copies."""

import importlib
import traceback

import harness
import keywright
import openai
import pytest
from keywright._transport import library_of

"""The httpx that this SDK brought."""
httpx = importlib.import_module(library_of(openai._base_client.SyncHttpxClientWrapper))

HELLO = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}


def clients(answer, **options):
    """The official client and ours, each with a list of what it sends."""
    for make in (openai.OpenAI, keywright.OpenAI):
        seen = []

        def handle(request, seen=seen):
            seen.append(request.headers["authorization"].removeprefix("Bearer "))
            return answer(request)

        own = httpx.Client(transport=httpx.MockTransport(handle))
        yield make(api_key=harness.new_key("openai"), http_client=own, **options), seen


def refusal(status, code, headers=()):
    error = {"message": "the provider's words", "type": "its_type", "param": "its_param", "code": code}
    return lambda request: httpx.Response(status, headers={"x-request-id": "req_1", **dict(headers)}, json={"error": error})


@pytest.mark.parametrize("headers", [{}, {"retry-after-ms": "20"}], ids=["no pause named", "a short pause"])
@pytest.mark.parametrize("retries", [0, 2])
def test_a_rate_limit_is_tried_as_often_as_with_the_official_client(headers, retries):
    counts = []
    for client, seen in clients(refusal(429, "rate_limit_exceeded", headers), max_retries=retries):
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**HELLO)
        counts.append(len(seen))
    assert counts == [retries + 1] * 2


@pytest.mark.parametrize(
    ("status", "code"), [(401, "invalid_api_key"), (429, "insufficient_quota"), (403, "unsupported_country_region_territory"), (400, "c")]
)
def test_a_refusal_is_the_official_clients_exception(status, code):
    raised = []
    for client, _ in clients(refusal(status, code), max_retries=0):
        with pytest.raises(openai.APIStatusError) as error:
            client.chat.completions.create(**HELLO)
        raised.append(error.value)
    stock, ours = raised
    told = [(error.code, error.type, error.param, error.request_id) for error in raised]
    assert told == [(code, "its_type", "its_param", "req_1")] * 2
    assert isinstance(ours, type(stock)) or ours.diagnosis.verdict == "auth", ours
    assert ours.diagnosis.cause and "x-keywright-cause" not in stock.response.headers


def test_without_credit_every_call_raises_the_same(emulator):
    client = keywright.OpenAI(api_key=emulator.key("openai", "out_of_credit"), max_retries=0)
    for _ in range(2):
        with pytest.raises(openai.RateLimitError) as raised:
            client.chat.completions.create(**HELLO)
        assert raised.value.diagnosis.cause == "quota_exhausted"


def test_a_copy_with_another_http_client_keeps_the_keys():
    answer = httpx.Response(200, json={"object": "list", "data": []})
    first, second = [list(clients(lambda request: answer))[1] for _ in range(2)]
    (client, seen), seen_there = first, []

    def handle(request):
        seen_there.append(request.headers["authorization"].removeprefix("Bearer "))
        return answer

    own = httpx.Client(transport=httpx.MockTransport(handle))
    client.copy(http_client=own).models.list()
    client.with_options(http_client=own, base_url="https://api.openai.com/v1").models.list()
    client.models.list()
    assert len(seen_there) == 2 and set(seen_there) == set(seen)
    other, seen_of_other = second
    client.copy(http_client=other._client, api_key=other.api_key).models.list()
    assert len(seen_of_other) == 1 and seen_of_other != seen


def test_the_mark_of_a_client_is_no_key(emulator):
    client = keywright.OpenAI(api_key=emulator.key("openai"))
    with pytest.raises(TypeError, match="give the key itself"):
        keywright.OpenAI(api_key=client.api_key)


@pytest.mark.parametrize("make", [keywright.OpenAI, keywright.AsyncOpenAI])
@pytest.mark.parametrize("wrap", [lambda key: key + "\n" + key, lambda key: key.encode()], ids=["twice", "bytes"])
def test_reporters_of_crashes_find_no_key_that_was_refused_at_construction(make, wrap):
    key = harness.new_key("openai")
    given = [wrap(key)]
    with pytest.raises((keywright.AuthenticationError, TypeError)) as raised:
        make(api_key=given.pop())
    frames = list(traceback.walk_tb(raised.value.__traceback__))[1:]
    shown = "".join(repr(frame.f_locals) for frame, _ in frames)
    assert frames and key not in shown and key[20:-20] not in shown


def test_a_short_call_tells_that_it_does_not_stream(emulator):
    client = keywright.TogetherAI(api_key=emulator.key("together"))
    for call in (client.chat, client.generate):
        with pytest.raises(TypeError, match="stream=True"):
            call("Hello", stream=True)


def test_an_empty_list_of_keys_is_a_mistake(emulator):
    with pytest.raises(ValueError, match="keys is empty"):
        keywright.OpenAI(keys=[])


@pytest.mark.parametrize("filler", ["EMPTY", "none", "not-needed"])
def test_a_server_of_ones_own_takes_a_filler_and_a_provider_does_not(filler):
    seen = []

    def handle(request):
        seen.append(request.headers["authorization"])
        return httpx.Response(200, json={"object": "list", "data": []})

    own = httpx.Client(transport=httpx.MockTransport(handle))
    keywright.OpenAI(api_key=filler, base_url="http://localhost:8000/v1", http_client=own).models.list()
    assert seen == [f"Bearer {filler}"]
    with pytest.raises(keywright.AuthenticationError) as raised:
        keywright.OpenAI(api_key=filler, base_url="https://api.openai.com/v1")
    assert raised.value.diagnosis.cause == "placeholder_key"
