"""What was asked and what was answered, directly and through a proxy: the two must not differ."""

from __future__ import annotations

import base64
import collections
import http.client
import json
import pathlib
import typing
import urllib.parse
import xml.etree.ElementTree

Request = tuple[str, str, tuple[tuple[str, str], ...], bytes]
Outcome = tuple[int, tuple[tuple[str, str], ...], bytes]


def passed(report: pathlib.Path) -> set[str]:
    """The tests that passed, from a JUnit file."""
    cases = xml.etree.ElementTree.parse(report).iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}" for case in cases if len(case) == 0}


def journal(file: pathlib.Path) -> collections.Counter[Request]:
    """What arrived at the mock, with random boundaries made equal."""
    return collections.Counter(map(read_entry, file.read_text().splitlines()))


def read_entry(line: str) -> Request:
    method, target, headers, body = json.loads(line)
    content = base64.b64decode(body)
    boundary = dict(headers).get("content-type", "").partition("boundary=")[2]
    if boundary:
        content = content.replace(boundary.encode(), b"BOUNDARY")
        headers = [(name, value.replace(boundary, "BOUNDARY")) for name, value in headers]
    return method, target, tuple((name, value) for name, value in headers), content


def differences(direct: collections.Counter[Request], through: collections.Counter[Request], limit: int = 5) -> list[str]:
    """Requests that arrived differently, in words."""
    lost, gained = direct - through, through - direct
    words = []
    for request in list(lost)[:limit]:
        near = [other for other in gained if other[:2] == request[:2]]
        words.append(f"not as sent: {request[0]} {request[1]}" + "".join(f"\n    {note}" for note in explain(request, near)))
    if total := sum(lost.values()) + sum(gained.values()):
        words.append(f"{sum(lost.values())} requests were sent and did not arrive, {sum(gained.values())} arrived and were not sent")
    assert bool(words) == bool(total)
    return words


def explain(request: Request, near: list[Request]) -> typing.Iterator[str]:
    for other in near[:1]:
        if gone := set(request[2]) - set(other[2]):
            yield f"headers gone: {sorted(gone)}"
        if new := set(other[2]) - set(request[2]):
            yield f"headers new: {sorted(new)}"
        if request[3] != other[3]:
            yield f"the body differs: {len(request[3])} bytes, then {len(other[3])}"


def replay(requests: typing.Iterable[Request], direct: str, through: str, limit: int = 5) -> list[str]:
    """Sends each request to both addresses and compares the answers, byte by byte."""
    words, count = [], 0
    for request in requests:
        one, other = send(direct, request), send(through, request)
        if one != other:
            count += 1
            if count <= limit:
                words.append(f"answered differently: {request[0]} {request[1]}\n    {shown(one)}\n    {shown(other)}")
    if count:
        words.append(f"{count} answers differ")
    return words


def odd_requests(prefix: str) -> list[Request]:
    """What a suite does not send and an app may: a proxy must not tidy it up."""
    headers = (("accept", "*/*"), ("x-unknown", "kept; as=it, is"))
    targets = [
        "/files/a%2Fb",
        "/files/a%20b%C3%A9",
        "/models/ft%3Agpt-4o%3Aacme%3A%3Aabc",
        "/models/ft:gpt-4o:acme::abc",
        "/files?after=&limit=10&order=asc&purpose=a+b",
        "/files?limit=1&limit=2&metadata%5Bkey%5D=a%26b%3Dc",
        "/files?",
        "/files?q=%E2%9C%93&path=a/b/../c",
    ]
    odd: list[Request] = [("GET", prefix + target, headers, b"") for target in targets]
    text = '{"model": "m",  "messages": [{"role": "user", "content": "\\u00e9 \u00e9 \\/"}], "seed": 1e2}'
    json_type = ("content-type", "application/json")
    odd.append(("POST", prefix + "/chat/completions", (*headers, json_type), text.encode()))
    odd.append(("POST", prefix + "/chat/completions", (*headers, json_type), text.encode() + b" " * 3_000_000))
    odd.append(("POST", prefix + "/batches/b/cancel", headers, b""))
    odd.append(("DELETE", prefix + "/files/f", headers, b""))
    return odd


def send(url: str, request: Request) -> Outcome:
    """The request as it was seen, at another address and with a credential of the suite."""
    method, target, headers, body = request
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
    try:
        connection.putrequest(method, address.path + target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.putheader("authorization", f"Bearer {SUITE_KEY}")
        if body or method in ("POST", "PUT", "PATCH"):
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        content = response.read()
        kept = [(name.lower(), value) for name, value in response.getheaders()]
        kept = [(name, value) for name, value in kept if name not in OF_THE_HOP and not name.startswith("x-keywright-")]
        return response.status, tuple(sorted(kept)), content
    except (OSError, http.client.HTTPException) as error:
        return 0, (("error", type(error).__name__),), b""
    finally:
        connection.close()


def shown(outcome: Outcome) -> str:
    status, headers, body = outcome
    return f"{status} {dict(headers)} {body[:200]!r}"


"""What the SDKs' suites send as their key. It has spaces, and nobody may mind."""
SUITE_KEY = "My API Key"
SUITE_ADMIN_KEY = "My Admin API Key"

"""Headers of an answer that each hop makes for itself. The length is compared with the body."""
OF_THE_HOP = {"connection", "content-length", "date", "keep-alive", "transfer-encoding"}
