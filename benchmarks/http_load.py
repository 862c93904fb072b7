"""A lean HTTP client for load tests, which measures its own cost separately.

It keeps connections open and sends prepared requests, so it costs a fraction of what a full client does.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Check = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True)
class Load:
    """The cost of a load: wall time, the client's own CPU time, and each request's latency."""

    wall_s: float
    client_cpu_s: float
    latencies_s: list[float]


def request_bytes(url: str, body: dict[str, Any]) -> bytes:
    """Return a POST request as it goes over the wire."""
    parts = urlsplit(url)
    content = json.dumps(body).encode()
    head = (
        f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def send(url: str, bodies: list[dict[str, Any]], concurrency: int, right: Check) -> Load:
    """Send each body in its own request, `concurrency` at a time. Answers are parsed after all have arrived.

    Raises:
        SystemExit: An answer is wrong.
    """
    requests = [request_bytes(url, body) for body in bodies]
    latencies: list[float] = []
    answers: list[bytes] = []

    async def worker(waiting: list[bytes]) -> None:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        while waiting:
            request = waiting.pop()
            started = time.perf_counter()
            writer.write(request)
            answers.append(await read_body(reader))
            latencies.append(time.perf_counter() - started)
        writer.close()
        await writer.wait_closed()

    async def everything() -> tuple[float, float]:
        started, own = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(worker(requests))
        return time.perf_counter() - started, time.process_time() - own

    wall_s, client_cpu_s = asyncio.run(everything())
    wrong = [answer for answer in answers if not right(json.loads(answer))]
    if wrong:
        raise SystemExit(f"{len(wrong)} of {len(answers)} answers are wrong: {wrong[0][:1000]!r}")
    return Load(wall_s, client_cpu_s, latencies)


async def read_body(reader: asyncio.StreamReader) -> bytes:
    """Return the body of one answer.

    Raises:
        SystemExit: The status is not 200.
    """
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    if any(line.startswith("transfer-encoding:") and "chunked" in line for line in lines):
        body = await _read_chunks(reader)
    else:
        length = next(int(line.partition(":")[2]) for line in lines if line.startswith("content-length:"))
        body = await reader.readexactly(length)
    if " 200 " not in lines[0]:
        raise SystemExit(f"{lines[0]}: {body[:1000]!r}")
    return body


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int((await reader.readline()).partition(b";")[0], 16):
        body += await reader.readexactly(size)
        await reader.readline()
    while (await reader.readline()).strip():  # trailers, up to an empty line
        pass
    return body
