"""A stand-in for a provider that knows a whole SDK: every path, and an answer of the right type for each.

The SDK's source is the specification. Each of its methods names a path and the type of the answer; both are read from
the source, and the answer is made from the type. Nothing is copied and nothing has to be kept up to date: the mock of
a version is that version.

What arrives is written to a journal, so that two runs can be compared request by request. A wrong key gets a 401, an
unknown path a 404, a broken body a 400: a proxy that loses any of them turns tests red.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import base64
import datetime
import enum
import importlib
import inspect
import json
import pathlib
import re
import sys
import typing
import urllib.parse

import h11
import pydantic
import typing_extensions


class Route(typing.NamedTuple):
    """One method of the SDK, as the server sees it."""

    method: str
    pattern: re.Pattern[str]
    query: frozenset[tuple[str, str]]
    answer: object
    event: object


# ── The specification: the SDK's own source ──────────────────────────────────────────────────────────────────────


def routes_of(package: str) -> list[Route]:
    """Every route that the resources of a package call. Routes with a fixed query come before those without."""
    folder = pathlib.Path(inspect.getfile(importlib.import_module(package))).parent / "resources"
    found: dict[tuple[str, str], Route] = {}
    for file in sorted(folder.rglob("*.py")):
        dotted = ".".join([package, "resources", *file.relative_to(folder).with_suffix("").parts])
        module = importlib.import_module(dotted.removesuffix(".__init__"))
        for call in ast.walk(ast.parse(file.read_text())):
            for template, route in routes_of_call(call, vars(module)):
                known = found.setdefault((route.method, template), route)
                if known.event is None and route.event is not None:
                    found[route.method, template] = route
    return sorted(found.values(), key=lambda route: (-len(route.query), route.pattern.pattern.count("[^/]")))


def routes_of_call(call: ast.AST, names: dict[str, object]) -> typing.Iterator[tuple[str, Route]]:
    """The routes of one expression: none, unless it is `self._post("/…", …)` or one of its kin."""
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in METHODS):
        return
    arguments = {word.arg: word.value for word in call.keywords}
    if call.args:
        arguments.setdefault("path", call.args[0])
    if "path" not in arguments or not arguments.keys() & {"cast_to", "page"}:
        return
    method = METHODS[call.func.attr]
    if "method" in arguments:
        method = typing.cast(str, ast.literal_eval(arguments["method"])).upper()
    answer = evaluate(arguments.get("page") or arguments["cast_to"], names)
    event = evaluate(arguments["stream_cls"], names) if "stream_cls" in arguments else None
    for template in templates(arguments["path"]):
        path, _, query = template.partition("?")
        pattern = "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w*\})", path))
        yield template, Route(method, re.compile(pattern), frozenset(urllib.parse.parse_qsl(query)), answer, event)


def templates(expression: ast.expr) -> typing.Iterator[str]:
    """Paths such as `/files/{file_id}` in a literal, an f-string, a call that fills a template, or a choice of these."""
    match expression:
        case ast.Constant(value=str(path)) if path.startswith("/"):
            yield path
        case ast.JoinedStr(values=parts):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in parts)
        case ast.Call(args=[template, *_]):
            yield from templates(template)
        case ast.IfExp(body=one, orelse=other):
            yield from templates(one)
            yield from templates(other)


def evaluate(expression: ast.expr, names: dict[str, object]) -> object:
    """The type that an expression names. A variable of the method stands for the plainest choice it has."""
    local = {node.id: "json" for node in ast.walk(expression) if isinstance(node, ast.Name) and node.id not in names}
    builtin = vars(__builtins__) if inspect.ismodule(__builtins__) else __builtins__
    local = {name: value for name, value in local.items() if name not in builtin}
    return eval(compile(ast.Expression(expression), "<sdk>", "eval"), names, local)


METHODS = {
    "_get": "GET",
    "_get_api_list": "GET",
    "_post": "POST",
    "_put": "PUT",
    "_patch": "PATCH",
    "_delete": "DELETE",
}


# ── The answers: values of a type ────────────────────────────────────────────────────────────────────────────────


def sample(kind: object, above: tuple[object, ...] = ()) -> object:
    """A value of a type, as JSON. Optional fields are filled; a type inside itself ends the recursion."""
    kind = bare(kind)
    origin, arguments = typing.get_origin(kind) or kind, typing.get_args(kind)
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        return sample_model(kind, above)
    if typing_extensions.is_typeddict(kind):
        fields = typing_extensions.get_type_hints(kind)
        return {name: sample(field, (*above, kind)) for name, field in fields.items()}
    if is_union(origin):
        variants = [variant for variant in arguments if variant is not type(None) and bare(variant) not in above]
        return sample(variants[0], above) if variants else None
    if origin in (typing.Literal, typing_extensions.Literal):
        return arguments[0]
    if origin in (list, set, tuple, typing.get_origin(typing.Iterable[int]), typing.get_origin(typing.Sequence[int])):
        item = arguments[0] if arguments else str
        return [] if bare(item) in above else [sample(item, above)]
    if origin in (dict, typing.get_origin(typing.Mapping[str, int])):
        return {"foo": sample(arguments[1] if arguments else str, above)}
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return next(iter(kind)).value
    return PLAIN.get(kind, "string")


def sample_model(kind: type[pydantic.BaseModel], above: tuple[object, ...]) -> dict[str, object]:
    """An object with every field of a model."""
    fields = {}
    for name, field in kind.model_fields.items():
        if bare(field.annotation) in above:
            continue
        fields[field.alias or name] = sample(field.annotation, (*above, kind))
    if "has_more" in fields:
        fields["has_more"] = False
    return fields


def bare(kind: object) -> object:
    """A type without its annotations and aliases."""
    while True:
        if typing_extensions.get_origin(kind) is typing_extensions.Annotated:
            kind = typing_extensions.get_args(kind)[0]
        elif isinstance(kind, typing_extensions.TypeAliasType):
            kind = kind.__value__
        elif isinstance(kind, typing.TypeVar):
            kind = kind.__bound__ or str
        else:
            return kind


def is_union(origin: object) -> bool:
    return origin is typing.Union or getattr(origin, "__name__", "") == "UnionType"


PLAIN: dict[object, object] = {
    str: "string",
    int: 1,
    float: 1.5,
    bool: True,
    bytes: "bytes",
    object: {},
    typing.Any: {},
    type(None): None,
    datetime.datetime: "2026-01-01T00:00:00Z",
    datetime.date: "2026-01-01",
}


# ── The server ───────────────────────────────────────────────────────────────────────────────────────────────────


class Answer(typing.NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    """Pieces are sent one by one, so that a proxy that waits for the whole answer can be told from one that does not."""
    pieces: list[bytes]


class Mock:
    """Answers requests and remembers them."""

    def __init__(self, package: str, prefix: str, keys: list[str], journal: typing.TextIO) -> None:
        self.routes = routes_of(package)
        self.prefix = prefix
        self.credentials = {f"Bearer {key}" for key in keys}
        self.journal = journal

    def answer(self, request: h11.Request, body: bytes) -> Answer:
        method, target = request.method.decode(), request.target.decode("latin-1")
        headers = [(name.decode().lower(), value.decode("latin-1")) for name, value in request.headers]
        self.write_down(method, target, headers, body)
        fields = dict(headers)
        if fields.get("authorization") not in self.credentials:
            return refusal(401, "wrong or missing key")
        path, _, query = target.partition("?")
        if not path.startswith(self.prefix):
            return refusal(404, f"no route for {method} {path}")
        path = path.removeprefix(self.prefix)
        asked = set(urllib.parse.parse_qsl(query, keep_blank_values=True))
        for route in self.routes:
            if route.method == method and route.pattern.fullmatch(path) and route.query <= asked:
                return self.answer_route(route, fields, body)
        return refusal(404, f"no route for {method} {path}")

    def answer_route(self, route: Route, fields: dict[str, str], body: bytes) -> Answer:
        kind = fields.get("content-type", "")
        streams = False
        if body and kind.startswith("application/json"):
            try:
                document = json.loads(body)
            except ValueError:
                return refusal(400, "the body is not JSON")
            streams = isinstance(document, dict) and document.get("stream") is True
        elif kind.startswith("multipart/form-data"):
            boundary = b"--" + kind.partition("boundary=")[2].encode()
            if not body.startswith(boundary) or not body.rstrip().endswith(boundary + b"--"):
                return refusal(400, "the body is not what its boundary says")
            streams = re.search(rb'name="stream"\r\n(?:[^\r\n]+\r\n)*\r\ntrue\r\n', body) is not None
        if streams and route.event is not None:
            return stream(route.event)
        return whole(route.answer)

    def write_down(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> None:
        kept = sorted((name, value) for name, value in headers if name not in BETWEEN_NEIGHBOURS)
        self.journal.write(json.dumps([method, target, kept, base64.b64encode(body).decode()]) + "\n")
        self.journal.flush()


def whole(kind: object) -> Answer:
    kind = bare(kind)
    if kind is type(None):
        return Answer(204, [("x-request-id", "req_mock")], [])
    if kind is str:
        return Answer(200, [("content-type", "text/plain"), ("content-length", "6")], [b"string"])
    if getattr(kind, "__name__", "").endswith("BinaryResponseContent") or "BinaryAPIResponse" in str(kind):
        return Answer(200, [("content-type", "application/octet-stream"), ("content-length", "256")], [bytes(range(256))])
    body = json.dumps(sample(kind)).encode()
    headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("x-request-id", "req_mock")]
    return Answer(200, headers, [body])


def stream(kind: object) -> Answer:
    [item] = typing.get_args(kind) or [str]
    event = sample(item)
    pieces = []
    for _ in range(3):
        name = event.get("event") if isinstance(event, dict) else None
        data = event["data"] if name and "data" in event else event
        line = f"event: {name}\n" if name else ""
        pieces.append(f"{line}data: {json.dumps(data)}\n\n".encode())
    pieces.append(b"data: [DONE]\n\n")
    return Answer(200, [("content-type", "text/event-stream; charset=utf-8"), ("transfer-encoding", "chunked")], pieces)


def refusal(status: int, message: str) -> Answer:
    body = json.dumps({"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}).encode()
    headers = [("content-type", "application/json"), ("content-length", str(len(body))), ("x-should-retry", "false")]
    return Answer(status, headers, [body])


async def serve_connection(mock: Mock, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)

    async def next_event() -> object:
        while True:
            event = connection.next_event()
            if event is not h11.NEED_DATA:
                return event
            if connection.they_are_waiting_for_100_continue:
                writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
            connection.receive_data(await reader.read(1 << 16))

    try:
        while isinstance(request := await next_event(), h11.Request):
            body = bytearray()
            while isinstance(event := await next_event(), h11.Data):
                body += event.data
            answer = mock.answer(request, bytes(body))
            writer.write(connection.send(h11.Response(status_code=answer.status, headers=answer.headers, reason=b"Mock")))
            for piece in answer.pieces if request.method != b"HEAD" else []:
                writer.write(connection.send(h11.Data(data=piece)))
                await writer.drain()
            writer.write(connection.send(h11.EndOfMessage()))
            await writer.drain()
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                break
            connection.start_next_cycle()
    except (ConnectionError, h11.RemoteProtocolError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


"""Headers that belong to one connection or to the hop: a proxy makes its own."""
BETWEEN_NEIGHBOURS = {
    "authorization",
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", help="the SDK to stand in for, as Python imports it")
    parser.add_argument("--key", action="append", required=True, help="a key that is accepted; may be given again")
    parser.add_argument("--prefix", default="", help="the path that all routes stand under, such as /v1")
    parser.add_argument("--journal", required=True, type=argparse.FileType("w"), help="the file that requests are written to")
    parser.add_argument("--list", action="store_true", help="print the routes and end")
    options = parser.parse_args()
    mock = Mock(options.package, options.prefix, options.key, options.journal)
    if options.list:
        for route in mock.routes:
            print(route.method, route.pattern.pattern, route.answer)
        return
    server = await asyncio.start_server(lambda r, w: serve_connection(mock, r, w), "127.0.0.1", 0, limit=1 << 20)
    host, port = server.sockets[0].getsockname()
    print(json.dumps({"listening": f"http://{host}:{port}", "routes": len(mock.routes)}), flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(0)
