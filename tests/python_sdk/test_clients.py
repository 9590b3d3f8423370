"""Keywright's clients with the SDK of this environment, against the emulated providers."""

import asyncio
import importlib
import io

import harness
import keywright
import openai
import pytest
from keywright._transport import keyed_of, library_of

HELLO = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
ANSWER = "Keywright emulator"


def chat(client, **more):
    return client.chat.completions.create(**HELLO, **more)


def two_keys(emulator, monkeypatch, provider="openai"):
    """A key that is refused, and a good one behind it."""
    dead, good = emulator.key(provider, "revoked"), emulator.key(provider)
    variable = f"{provider.upper()}_API_KEY"
    monkeypatch.setenv(variable, dead)
    monkeypatch.setenv(f"{variable}_BACKUP", good)
    return dead, good


def test_a_good_key_serves(emulator, monkeypatch):
    key = emulator.key("openai")
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert ANSWER in chat(keywright.OpenAI()).choices[0].message.content
    assert ANSWER in chat(keywright.OpenAI(api_key=key)).choices[0].message.content
    assert emulator.calls("openai", key) == {200: 2}


def test_a_refused_key_is_replaced_in_the_same_call(emulator, monkeypatch):
    dead, good = two_keys(emulator, monkeypatch)
    client = keywright.OpenAI()
    for _ in range(3):
        assert ANSWER in chat(client).choices[0].message.content
    assert emulator.calls("openai", dead) == {401: 1}
    assert emulator.calls("openai", good) == {200: 3}


def test_a_refused_key_is_replaced_in_an_awaited_call(emulator, monkeypatch):
    dead, good = two_keys(emulator, monkeypatch)

    async def calls():
        async with keywright.AsyncOpenAI() as client:
            return await asyncio.gather(*(chat(client) for _ in range(3)))

    assert all(ANSWER in answer.choices[0].message.content for answer in asyncio.run(calls()))
    assert 1 <= emulator.calls("openai", dead)[401] <= 3
    assert emulator.calls("openai", good) == {200: 3}


def test_streams_are_streams(emulator, monkeypatch):
    dead, good = two_keys(emulator, monkeypatch)
    pieces = [event.choices[0].delta.content or "" for event in chat(keywright.OpenAI(), stream=True) if event.choices]
    assert ANSWER in "".join(pieces) and len(pieces) > 1

    async def stream():
        async with keywright.AsyncOpenAI() as client:
            return [event async for event in await chat(client, stream=True)]

    assert len(asyncio.run(stream())) > 1


def test_files_are_sent_again_with_the_next_key(emulator, monkeypatch):
    dead, good = two_keys(emulator, monkeypatch)
    content = b'{"custom_id": "1"}\n' * 1_000
    file = keywright.OpenAI().files.create(file=("data.jsonl", io.BytesIO(content)), purpose="batch")
    assert file.bytes == len(content)

    async def upload():
        async with keywright.AsyncOpenAI() as client:
            return await client.files.create(file=("data.jsonl", io.BytesIO(content)), purpose="batch")

    assert asyncio.run(upload()).bytes == len(content)
    assert emulator.calls("openai", dead) == {401: 2}


def test_references_are_keys_in_order(emulator, monkeypatch, tmp_path):
    dead, good = emulator.key("openai", "revoked"), emulator.key("openai")
    monkeypatch.setenv("FIRST", dead)
    (tmp_path / "second").write_text(good)
    (tmp_path / "second").chmod(0o600)
    client = keywright.OpenAI(keys=["env://FIRST", f"file://{tmp_path}/second"])
    assert ANSWER in chat(client).choices[0].message.content
    assert emulator.calls("openai", dead) == {401: 1}


def test_a_rotated_key_is_taken_up(emulator, monkeypatch, tmp_path):
    old, new = emulator.key("openai"), emulator.key("openai")
    place = tmp_path / "key"
    place.write_text(old)
    place.chmod(0o600)
    client = keywright.OpenAI(keys=[f"file://{place}"])
    chat(client)
    emulator.set("openai", old, "revoked")
    place.write_text(new)
    assert ANSWER in chat(client).choices[0].message.content
    assert emulator.calls("openai", new) == {200: 1}


def test_the_last_known_good_key_stands_in(emulator, monkeypatch):
    """A good key served here before; its source hands out a refused one now."""
    good, dead = emulator.key("openai"), emulator.key("openai", "revoked")
    monkeypatch.setenv("OPENAI_API_KEY", good)
    before = keywright.OpenAI()
    chat(before)
    keyed_of(before._client).ring.flush(10.0)
    monkeypatch.setenv("OPENAI_API_KEY", dead)
    assert ANSWER in chat(keywright.OpenAI()).choices[0].message.content
    assert emulator.calls("openai", dead) == {401: 1}


def test_the_same_exception_with_its_diagnosis(emulator):
    key = emulator.key("openai", "revoked")
    client = keywright.OpenAI(api_key=key)
    for caught in (keywright.AuthenticationError, openai.AuthenticationError, openai.APIStatusError):
        with pytest.raises(caught) as raised:
            chat(client)
        error = raised.value
        assert (error.status_code, error.diagnosis.verdict, error.diagnosis.cause) == (401, "auth", "invalid_key")
        assert error.diagnosis.page == "openai.AuthenticationError"
        assert keywright.diagnose(error) is error.diagnosis
    assert emulator.calls("openai", key) == {401: 1}, "a key that is out is not asked about again"


def test_an_awaited_call_raises_the_same(emulator):
    async def call():
        async with keywright.AsyncOpenAI(api_key=emulator.key("openai", "revoked")) as client:
            await chat(client)

    with pytest.raises(keywright.AuthenticationError) as raised:
        asyncio.run(call())
    assert raised.value.diagnosis.cause == "invalid_key"


def test_retries_do_not_multiply(emulator, monkeypatch):
    """Two keys out of credit, and an SDK that would try each answer three times: one call a key."""
    one, two = emulator.key("openai", "out_of_credit"), emulator.key("openai", "out_of_credit")
    monkeypatch.setenv("OPENAI_API_KEY", one)
    monkeypatch.setenv("OPENAI_API_KEY_BACKUP", two)
    with pytest.raises(openai.APIStatusError) as raised:
        chat(keywright.OpenAI(max_retries=2))
    assert raised.value.diagnosis.cause == "quota_exhausted"
    assert not isinstance(raised.value, openai.AuthenticationError)
    calls = [sum(emulator.calls("openai", key).values()) for key in (one, two)]
    assert calls == [1, 1]


@pytest.mark.parametrize("state", ["server_error", "rate_limited"])
def test_what_another_key_does_not_mend_is_tried_as_often_as_the_sdk_says(emulator, monkeypatch, state):
    """The SDK tries three times; the ring on top of that would make it six."""
    key = emulator.key("openai", state)
    with pytest.raises(openai.APIStatusError):
        chat(keywright.OpenAI(api_key=key, max_retries=2))
    assert 1 <= sum(emulator.calls("openai", key).values()) <= 3


def test_a_rate_limit_is_the_sdks_rate_limit(emulator):
    """The key rests and is asked again, by the SDK's retries too; what is raised at the end has the SDK's name."""
    key = emulator.key("openai", "rate_limited")
    with pytest.raises(openai.RateLimitError) as raised:
        chat(keywright.OpenAI(api_key=key, max_retries=1))
    assert raised.value.diagnosis.cause == "rate_limit"
    assert raised.value.response.headers.get("x-should-retry") != "false"


def test_a_connection_that_fails_is_tried_as_often_as_the_sdk_says(monkeypatch):
    seen = []

    def refuse(request):
        seen.append(request.url.path)
        raise httpx.ConnectError("[Errno 111] Connection refused", request=request)

    own = httpx.Client(transport=httpx.MockTransport(refuse))
    client = keywright.OpenAI(api_key=harness.new_key("openai"), http_client=own, max_retries=1)
    with pytest.raises(openai.APIConnectionError) as raised:
        chat(client)
    assert len(seen) == 2
    assert keywright.diagnose(raised.value, here=False).cause == "network"


def test_other_failures_are_the_sdks(emulator, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", emulator.key("openai", "region_blocked"))
    with pytest.raises(openai.AuthenticationError) as raised:
        chat(keywright.OpenAI())
    assert raised.value.diagnosis.cause == "region_unsupported"
    monkeypatch.setenv("OPENAI_API_KEY", emulator.key("openai", "overloaded"))
    with pytest.raises(openai.InternalServerError) as raised:
        chat(keywright.OpenAI(max_retries=0))
    assert raised.value.diagnosis.cause == "server_error"


def test_a_copy_shares_the_ring(emulator, monkeypatch):
    dead, good = two_keys(emulator, monkeypatch)
    client = keywright.OpenAI()
    chat(client)
    assert ANSWER in chat(client.with_options(timeout=20, max_retries=0)).choices[0].message.content
    assert emulator.calls("openai", dead) == {401: 1}
    other = emulator.key("openai")
    chat(client.with_options(api_key=other))
    assert emulator.calls("openai", other) == {200: 1}
    chat(client)
    assert emulator.calls("openai", good) == {200: 3}


"""The httpx that this SDK brought."""
httpx = importlib.import_module(library_of(openai._base_client.SyncHttpxClientWrapper))


def test_a_client_of_ones_own_is_used_and_left_alone(emulator, monkeypatch):
    dead, good = two_keys(emulator, monkeypatch)
    seen = []
    own = httpx.Client(event_hooks={"request": [lambda request: seen.append(request.url.path)]})
    transport = own._transport
    assert ANSWER in chat(keywright.OpenAI(http_client=own)).choices[0].message.content
    assert seen == ["/openai/v1/chat/completions"]
    assert own._transport is transport
    answer = own.get(f"{emulator.url}/openai/v1/models", headers={"authorization": "Bearer keywright-chooses-the-key"})
    assert answer.status_code == 401


def test_a_key_goes_to_its_provider_only(emulator, monkeypatch):
    key = emulator.key("openai")
    monkeypatch.setenv("OPENAI_API_KEY", key)
    sent = {}

    def answer(request):
        sent[request.url.host] = request.headers.get("authorization")
        if request.url.host == "elsewhere.example":
            return httpx.Response(200, json={})
        return httpx.Response(307, headers={"location": "https://elsewhere.example/v1/models"})

    own = httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True)
    client = keywright.OpenAI(http_client=own)
    client.get("/models", cast_to=object)
    assert sent["127.0.0.1"] == f"Bearer {key}"
    assert sent["elsewhere.example"] is None
    sent.clear()
    client.get("https://elsewhere.example/v1/models", cast_to=object)
    assert sent == {"elsewhere.example": None}


def test_a_credential_of_the_callers_is_left_alone(emulator, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", emulator.key("openai"))
    other = emulator.key("openai")
    chat(keywright.OpenAI(), extra_headers={"Authorization": f"Bearer {other}"})
    assert emulator.calls("openai", other) == {200: 1}


def test_headers_for_web_sockets_hold_the_key_in_force(emulator, monkeypatch):
    dead, good = two_keys(emulator, monkeypatch)
    client = keywright.OpenAI()
    assert client.auth_headers == {"Authorization": f"Bearer {dead}"}
    chat(client)
    assert client.auth_headers == {"Authorization": f"Bearer {good}"}
    assert dead not in repr(vars(client)) and good not in client.api_key


def test_other_ways_to_authenticate_stay_the_sdks(emulator):
    key = emulator.key("openai")
    try:
        client = keywright.OpenAI(api_key=lambda: key)
    except openai.OpenAIError:
        pytest.skip("this SDK takes no function")
    if openai.__version__ < "1.99":
        pytest.skip("this SDK takes no function")
    assert ANSWER in chat(client).choices[0].message.content


def test_fireworks_and_together_speak_short_words(emulator, monkeypatch):
    two_keys(emulator, monkeypatch, "fireworks")
    two_keys(emulator, monkeypatch, "together")
    assert keywright.FireworksAI().generate(prompt="Hello")
    assert ANSWER in keywright.TogetherAI().chat("Hello")
    fireworks = keywright.FireworksAI()
    assert ANSWER in fireworks.chat("Hello")
    model = "accounts/fireworks/models/llama-v3p1-8b-instruct"
    answer = fireworks.chat.completions.create(model=model, messages=HELLO["messages"])
    assert ANSWER in answer.choices[0].message.content
    assert fireworks.with_options(timeout=9).generate("Hello")


@pytest.mark.parametrize("ending", ["", "/inference/v1"])
def test_a_base_url_may_end_in_the_usual_path_or_not(emulator, monkeypatch, ending):
    monkeypatch.setenv("FIREWORKS_BASE_URL", f"{emulator.url}/fireworks{ending}")
    assert keywright.FireworksAI(api_key=emulator.key("fireworks")).generate(prompt="Hello")


def test_classes_are_called_as_they_are_imported():
    for name in ("OpenAI", "AsyncOpenAI", "FireworksAI", "TogetherAI", "AuthenticationError"):
        kind = getattr(keywright, name)
        assert f"{kind.__module__}.{kind.__qualname__}" == f"keywright.{name}"


def test_the_sdks_version_is_in_its_range():
    assert 1 <= int(openai.__version__.partition(".")[0]) <= 3
    assert issubclass(keywright.OpenAI, openai.OpenAI) and issubclass(keywright.AsyncOpenAI, openai.AsyncOpenAI)
    assert issubclass(keywright.AuthenticationError, openai.AuthenticationError)


def test_assistants_work_as_with_the_official_client(emulator, monkeypatch):
    dead, good = two_keys(emulator, monkeypatch)
    client = keywright.OpenAI()
    if not hasattr(client.beta, "assistants"):
        pytest.skip("this SDK has no assistants any more")
    emulator.settings(assistants="live")
    assistant = client.beta.assistants.create(model="gpt-4o-mini")
    thread = client.beta.threads.create()
    client.beta.threads.messages.create(thread.id, role="user", content="Hello")
    run = client.beta.threads.runs.create_and_poll(thread_id=thread.id, assistant_id=assistant.id)
    emulator.settings(assistants="gone")
    assert run.status == "completed"
    assert emulator.calls("openai", dead) == {401: 1}
