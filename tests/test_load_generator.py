"""The load generator against a server that counts, waits and refuses by itself."""

import asyncio
from collections import Counter

import pytest

from service.load_generator import Answer, Load

REQUEST = b"POST /a HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Answers request n by `statuses[n % len]`; closes after a 503; holds back while `gate` is shut."""

    def __init__(self, statuses: list[int]) -> None:
        self.statuses, self.asked, self.connections = statuses, 0, 0
        self.answered: Counter[int] = Counter()
        self.gate = asyncio.Event()
        self.gate.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"{}"):
                status = self.statuses[self.asked % len(self.statuses)]
                self.asked += 1
                await self.gate.wait()
                if status == 0:
                    break
                self.answered[status] += 1
                more = b"Connection: close\r\n" if status == 503 else b""
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 3\r\n%s\r\n" % (status, more))
                writer.write(b"abc")
                if status == 503:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


async def started(server: Server) -> tuple[asyncio.Server, Load]:
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    return listening, Load("127.0.0.1", listening.sockets[0].getsockname()[1], [REQUEST])


@pytest.mark.parametrize("statuses", [[200], [200, 429], [200, 503, 429], [200, 0]])
def test_every_request_is_counted_once_as_it_was_answered(statuses: list[int]) -> None:
    async def run() -> tuple[Counter[int], Server]:
        server = Server(statuses)
        listening, load = await started(server)
        async with listening:
            answers = await load.at_rate(400, 0.5)
            await load.close()
        return Counter(answer.status for answer in answers), server

    seen, server = asyncio.run(run())
    dropped = seen.pop(0, 0)
    assert seen == server.answered
    assert dropped == server.asked - sum(server.answered.values())
    assert server.asked > 50


def test_a_time_counts_from_when_the_request_was_due_and_the_load_never_waits() -> None:
    async def run() -> tuple[float, list[Answer], int]:
        server = Server([200])
        listening, load = await started(server)
        async with listening:
            server.gate.clear()
            asking = asyncio.ensure_future(load.at_rate(200, 0.5))
            while server.asked < 40:  # none was answered, and still they come
                await asyncio.sleep(0.01)
            opened = asyncio.get_running_loop().time()
            server.gate.set()
            answers = await asking
            await load.close()
        return opened, answers, server.connections

    opened, answers, connections = asyncio.run(run())
    held = [answer for answer in answers if answer.due + answer.late < opened]
    assert len(held) >= 40
    assert all(answer.due + answer.seconds >= opened for answer in held)
    assert all(answer.seconds >= answer.late >= 0 for answer in answers)
    assert connections >= 40


def test_clients_wait_for_their_answers() -> None:
    async def run() -> tuple[int, int, int]:
        server = Server([200])
        listening, load = await started(server)
        async with listening:
            answers = await load.by_clients(5, 0.3)
            await load.close()
        return server.connections, len(answers), server.asked

    connections, answers, asked = asyncio.run(run())
    assert connections == 5
    assert answers == asked > 5
