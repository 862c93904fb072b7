"""A service that runs programs without any sandbox: the minimum that any such service does for a run.

benchmarks.run_speed compares this project's service with it, and is the only sender of programs. For each request, it
writes the program into a temporary folder, runs `python3` on it in a separate process, and returns the output.
"""

import argparse
import asyncio
import tempfile
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Program(BaseModel):
    """A request."""

    code: str
    run_timeout: float = 10.0


class Answer(BaseModel):
    """The outcome of a run."""

    exit_code: int | None
    stdout: str
    stderr: str


def create_app(python: str) -> FastAPI:
    """Return a service that runs programs with this interpreter."""
    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> str:
        return "alive"

    @app.post("/run_code")
    async def run_code(asked: Program) -> Answer:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "program.py"
            file.write_text(asked.code, encoding="utf-8")
            pipe = asyncio.subprocess.PIPE
            none = asyncio.subprocess.DEVNULL
            process = await asyncio.create_subprocess_exec(
                python, str(file), stdin=none, stdout=pipe, stderr=pipe, cwd=folder
            )
            stdout, stderr = await asyncio.wait_for(process.communicate(), asked.run_timeout)
        return Answer(exit_code=process.returncode, stdout=stdout.decode(), stderr=stderr.decode())

    return app


def main() -> None:
    """Serve on the loopback address."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter that runs the programs")
    options = parser.parse_args()
    uvicorn.run(create_app(options.python), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
