"""A proxy with one fault: what the comparison has to notice. A suite that cannot turn red proves nothing."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import urllib.parse

import h11

"""Each fault of a proxy, and what it does to the traffic."""
FAULTS = {
    "none": "forwards everything as it came; must stay green",
    "strip-authorization": "loses the credential",
    "drop-query": "loses what follows the question mark",
    "decode-path": "decodes %2F and its kin in the path",
    "lose-header": "loses a header it does not know",
    "trim-multipart": "loses the last line of an upload",
    "cut-stream": "ends a stream before its last event",
    "rewrite-json": "reads an answer as JSON and writes it again",
}


def spoil_request(fault: str, request: h11.Request, body: bytes) -> tuple[h11.Request, bytes]:
    target, headers = request.target, list(request.headers)
    if fault == "strip-authorization":
        headers = [(name, value) for name, value in headers if name != b"authorization"]
    if fault == "lose-header":
        headers = [(name, value) for name, value in headers if not name.startswith(b"x-stainless")]
    if fault == "drop-query":
        target = target.partition(b"?")[0]
    if fault == "decode-path":
        path, mark, query = target.partition(b"?")
        plain = urllib.parse.unquote_to_bytes(path)
        target = urllib.parse.quote_from_bytes(plain, safe="/:@!$&'()*+,;=").encode() + mark + query
    if fault == "trim-multipart" and b"multipart/form-data" in dict(headers).get(b"content-type", b""):
        body = body.rstrip().rpartition(b"\r\n")[0]
    skipped = {b"content-length", b"transfer-encoding", b"connection"}
    headers = [(name, value) for name, value in headers if name not in skipped]
    headers += [(b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    return h11.Request(method=request.method, target=target, headers=headers), body


def spoil_answer(fault: str, response: h11.Response, body: bytes) -> tuple[h11.Response, bytes]:
    kind = dict(response.headers).get(b"content-type", b"")
    if fault == "cut-stream" and kind.startswith(b"text/event-stream"):
        body = body.partition(b"data: [DONE]")[0]
    if fault == "rewrite-json" and kind.startswith(b"application/json"):
        body = json.dumps(json.loads(body), separators=(",", ":")).encode()
    skipped = {b"content-length", b"transfer-encoding", b"connection"}
    headers = [(name, value) for name, value in response.headers if name not in skipped]
    if response.status_code != 204:
        headers.append((b"content-length", str(len(body)).encode()))
    return h11.Response(status_code=response.status_code, headers=headers, reason=response.reason), body


async def forward(fault: str, upstream: tuple[str, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    downstream = h11.Connection(h11.SERVER)
    try:
        while isinstance(request := await next_event(downstream, reader), h11.Request):
            body = await whole_body(downstream, reader)
            request, body = spoil_request(fault, request, body)
            response, answer = spoil_answer(fault, *await ask(upstream, request, body))
            for event in (response, h11.Data(data=answer), h11.EndOfMessage()):
                writer.write(downstream.send(event) or b"")
            await writer.drain()
            if downstream.our_state is not h11.DONE:
                break
            downstream.start_next_cycle()
    except (ConnectionError, h11.RemoteProtocolError):
        pass
    finally:
        writer.close()


async def ask(upstream: tuple[str, int], request: h11.Request, body: bytes) -> tuple[h11.Response, bytes]:
    reader, writer = await asyncio.open_connection(*upstream)
    connection = h11.Connection(h11.CLIENT)
    for event in (request, h11.Data(data=body), h11.EndOfMessage()):
        writer.write(connection.send(event) or b"")
    response = await next_event(connection, reader)
    answer = await whole_body(connection, reader)
    writer.close()
    return response, answer


async def whole_body(connection: h11.Connection, reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while isinstance(event := await next_event(connection, reader), h11.Data):
        body += event.data
    return bytes(body)


async def next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await reader.read(1 << 16))
    return event


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("upstream", help="such as http://127.0.0.1:4010")
    options = parser.parse_args()
    address = urllib.parse.urlsplit(options.upstream)
    upstream = (address.hostname or "", address.port or 80)
    server = await asyncio.start_server(lambda r, w: forward(options.fault, upstream, r, w), "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    print(json.dumps({"listening": f"http://{host}:{port}"}), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
