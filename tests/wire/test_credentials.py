"""Every form of credential header that clients were seen to send, byte by byte.

Without virtual keys the caller's credential is not the gateway's business: real SDKs send `My API Key`, `None` and worse,
and the real key goes upstream all the same. With virtual keys a right key in a dirty header is rescued, and anything
else is refused in words that say whose refusal it is.
"""

from __future__ import annotations

import http.client
import json
import socket
import typing
import urllib.parse

import harness
import pytest

BODY = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say hello."}]}).encode()

"""What arrives after `Authorization:`, from real clients with a bad key. `None`: the header is absent."""
FORMS: dict[str, bytes | None] = {
    "absent": None,
    "scheme only": b"Bearer",
    "scheme and spaces": b"Bearer   ",
    "undefined": b"Bearer undefined",
    "None": b"Bearer None",
    "placeholder": b"Bearer YOUR_API_KEY",
    "spaces inside": b"Bearer My API Key",
    "ellipsis of a masked key": b"Bearer sk-proj-AbCd\xe2\x80\xa6wxyz",
    "two spaces": b"Bearer  KEY",
    "trailing space": b"Bearer KEY ",
    "no scheme": b"KEY",
    "quoted": b'Bearer "KEY"',
    "single-quoted": b"Bearer 'KEY'",
    "byte A0": b"Bearer \xa0KEY\xa0",
    "no-break space": b"Bearer KEY\xc2\xa0",
    "curly quotes": b"Bearer \xe2\x80\x9cKEY\xe2\x80\x9d",
    "zero-width space": b"Bearer \xe2\x80\x8bKEY",
    "byte order mark": b"Bearer \xef\xbb\xbfKEY",
    "lower-case scheme": b"bearer KEY",
}

"""Of these, the ones that hold no key at all."""
HOPELESS = {name for name, value in FORMS.items() if value is None or b"KEY" not in value or b"API" in value}


def send(url: str, credential: bytes | None, name: bytes = b"Authorization") -> harness.Answer:
    header = b"" if credential is None else name + b": " + credential + b"\r\n"
    head = b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\n" + header
    return exchange(url, head + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY)


def exchange(url: str, data: bytes) -> harness.Answer:
    with connect(url) as connection:
        connection.sendall(data)
        return read(connection)


def connect(url: str) -> socket.socket:
    address = urllib.parse.urlsplit(url)
    return socket.create_connection((address.hostname, address.port), timeout=harness.DEADLINE_SECONDS)


def read(connection: socket.socket) -> harness.Answer:
    response = http.client.HTTPResponse(connection, method="POST")
    response.begin()
    return harness.Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())


@pytest.fixture
def open_gateway(emulator: harness.Emulator) -> typing.Iterator[tuple[harness.Gateway, str]]:
    key = emulator.key("openai")
    with harness.gateway(emulator, {"openai": [key]}) as gateway:
        yield gateway, key


@pytest.fixture
def guarded_gateway(emulator: harness.Emulator) -> typing.Iterator[tuple[harness.Gateway, str]]:
    token = harness.new_token()
    with harness.gateway(emulator, {"openai": [emulator.key("openai")]}, tokens=[token]) as gateway:
        yield gateway, token


@pytest.mark.parametrize("form", FORMS)
def test_without_virtual_keys_any_form_is_accepted(open_gateway, emulator, form):
    gateway, key = open_gateway
    value = FORMS[form]
    answer = send(gateway.url, value and value.replace(b"KEY", b"sk-anything-0123456789"))
    assert answer.status == 200, answer.text
    assert emulator.calls("openai", key) == {200: 1}, "the gateway's key went upstream, nothing else"


@pytest.mark.parametrize("form", sorted(FORMS.keys() - HOPELESS))
def test_a_right_virtual_key_in_a_dirty_header_is_rescued(guarded_gateway, form):
    gateway, token = guarded_gateway
    answer = send(gateway.url, FORMS[form].replace(b"KEY", token.encode()))
    assert answer.status == 200, answer.text


@pytest.mark.parametrize("header", [b"x-api-key", b"api-key", b"x-goog-api-key", b"X-API-KEY"])
def test_a_virtual_key_is_found_in_every_credential_header(guarded_gateway, header):
    gateway, token = guarded_gateway
    assert send(gateway.url, token.encode(), header).status == 200


@pytest.mark.parametrize("form", sorted(HOPELESS))
def test_no_virtual_key_is_refused_as_the_gateways_own_refusal(guarded_gateway, form):
    gateway, _ = guarded_gateway
    must_be_refused(send(gateway.url, FORMS[form]))


def test_a_wrong_virtual_key_is_refused(guarded_gateway):
    gateway, token = guarded_gateway
    other = harness.new_token()
    answer = send(gateway.url, f"Bearer {other}".encode())
    must_be_refused(answer)
    assert other not in answer.text
    mistyped = token[:-1] + ("0" if token[-1] != "0" else "1")
    answer = send(gateway.url, f"Bearer {mistyped}".encode())
    must_be_refused(answer)
    assert mistyped not in answer.text


def test_a_real_key_is_not_a_virtual_key(guarded_gateway, emulator):
    gateway, _ = guarded_gateway
    key = emulator.key("openai")
    answer = send(gateway.url, f"Bearer {key}".encode())
    must_be_refused(answer)
    assert key not in answer.text
    assert emulator.calls("openai", key) == {}


def must_be_refused(answer: harness.Answer) -> None:
    assert answer.status == 401, answer.text
    assert answer.headers["x-keywright-origin"] == "gateway"
    error = json.loads(answer.body)["error"]
    assert error["message"]
    assert error.keys() >= {"message", "type", "code"}, "SDKs read these"


@pytest.mark.parametrize("guarded", [False, True], ids=["open", "guarded"])
def test_a_header_block_split_by_a_newline_is_refused(emulator, guarded):
    """`curl -H` sends a newline in a key as it is: the block ends there, and the rest looks like a second request."""
    key, token = emulator.key("openai"), harness.new_token()
    with harness.gateway(emulator, {"openai": [key]}, tokens=[token] if guarded else []) as gateway:
        head = b"POST /openai/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + token.encode()
        rest = b"\n\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
        with connect(gateway.url) as connection:
            connection.sendall(head + rest)
            assert read(connection).status == 400
            must_be_closed(connection)
        assert 200 not in emulator.calls("openai", key), "nothing of the second half was served"


@pytest.mark.parametrize("guarded", [False, True], ids=["open", "guarded"])
def test_a_newline_inside_a_key_is_refused(emulator, guarded):
    key, token = emulator.key("openai"), harness.new_token()
    with harness.gateway(emulator, {"openai": [key]}, tokens=[token] if guarded else []) as gateway:
        answer = send(gateway.url, b"Bearer " + token[:20].encode() + b"\n" + token[20:].encode())
        assert answer.status == 400
        assert emulator.calls("openai", key) == {}


def must_be_closed(connection: socket.socket) -> None:
    """Reads to the end; whatever still comes is a refusal too."""
    rest = b""
    try:
        while piece := connection.recv(4096):
            rest += piece
    except ConnectionResetError:
        pass
    assert rest == b"" or rest.startswith(b"HTTP/1.1 400"), rest
