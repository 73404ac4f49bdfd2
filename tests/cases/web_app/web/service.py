"""Log what comes from a browser: microdot as it is published."""

from bulkhead.loop import run
from bulkhead.streams import Streams
from microdot import Microdot

from services.logger.api import INFO


async def main(task):
    streams = Streams(task, task.cap("net"))
    await run(task, serve(task), streams.answer)


async def serve(task):
    app = Microdot()

    @app.get("/")
    async def index(_request):
        return "POST a line to /log\n"

    @app.post("/log")
    async def log(request):
        line = request.body.decode()
        await task.send(task.cap("logger"), INFO, line)
        return {"logged": line}

    await app.start_server(port=8080)
