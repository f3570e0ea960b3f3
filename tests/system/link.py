"""A TCP link to the broker that can be held (nothing passes, nobody notices) and cut."""

import asyncio
import threading

from fleet import free_port

UP, DOWN = "up", "down"  # to the broker, and from it


class Link:
    """Everything that connects to `url` reaches the broker, while the link lets it."""

    def __init__(self, broker_port):
        self.broker_port, self.port = broker_port, free_port()
        self.url = f"tcp://127.0.0.1:{self.port}"
        self.connections = 0
        self._writers = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._open = {UP: asyncio.Event(), DOWN: asyncio.Event()}
        self._server = None
        self.heal()

    def _do(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _connected(self, reader, writer):
        try:
            await self._carry(reader, writer)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()

    async def _carry(self, reader, writer):
        broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self.broker_port)
        self.connections += 1
        self._writers |= {writer, broker_writer}
        await asyncio.gather(self._pump(UP, reader, broker_writer),
                             self._pump(DOWN, broker_reader, writer))
        self._writers -= {writer, broker_writer}

    async def _pump(self, direction, reader, writer):
        """What is held here when the connection is cut is lost, as on a wire."""
        try:
            while data := await reader.read(65536):
                await self._open[direction].wait()
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        writer.transport.abort()

    async def _heal(self):
        for event in self._open.values():
            event.set()
        if self._server is None:
            self._server = await asyncio.start_server(
                self._connected, "127.0.0.1", self.port, backlog=1000)

    async def _hold(self, directions):
        for direction in directions:
            self._open[direction].clear()

    async def _end(self):
        await self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self):
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    def hold(self, *directions):
        """Nothing passes any more, and both ends believe to be connected."""
        self._do(self._hold(directions or (UP, DOWN)))

    def cut(self):
        """All connections break, and no new one is taken."""
        self._do(self._cut())

    def heal(self):
        """What was held passes; new connections are taken."""
        self._do(self._heal())

    def close(self):
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
