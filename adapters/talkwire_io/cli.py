"""What `talkwire …` runs."""

import argparse
import asyncio
import errno
import logging
import os
import socket
import sys
import time
from collections.abc import Sequence


class Trouble(Exception):  # noqa: N818 - it is shown to the user, one line
    """Why a command cannot run, and what to do about it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Trouble is one line on stderr and exit status 1."""
    started = time.monotonic()
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        _demo(options, started)
    except Trouble as trouble:
        sys.exit(f"talkwire: {trouble}")
    except KeyboardInterrupt:
        sys.exit(130)  # ^C while the voice was loading: as the shell knows it, without a traceback
    # A tool that never returns must not hold the process: threads cannot be stopped.
    sys.stdout.flush()
    os._exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="talkwire", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="serve a page to talk to an agent with tools")
    demo.add_argument("--openai", action="store_true", help="use OpenAI, with OPENAI_API_KEY")
    demo.add_argument("--model", default="gpt-realtime", help="the model (default: %(default)s)")
    demo.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    demo.add_argument(
        "--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)"
    )
    demo.add_argument("--verbose", action="store_true", help="log what happens")
    return parser


def _demo(options: argparse.Namespace, started: float) -> None:
    try:
        from .demo.serve import serve_demo
        from .local.voice import VoiceError
        from .openai import MissingKey, OpenAI
    except ModuleNotFoundError as error:
        raise Trouble(f'{error.name} is missing: pip install "talkwire[demo]"') from error
    try:
        openai = OpenAI.from_env() if options.openai else None
    except (MissingKey, ValueError) as error:
        raise Trouble(str(error)) from error
    with _listen(options.host, options.port) as listener:
        try:
            asyncio.run(serve_demo(listener, openai=openai, model=options.model, started=started))
        except VoiceError as error:
            raise Trouble(str(error)) from error


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Trouble(f"port {port} is taken; try: talkwire demo --port {port + 1}") from error
        raise Trouble(f"cannot listen on {host} port {port}: {error.strerror}") from error
    except OverflowError as error:
        raise Trouble(f"{port} is not a port: 0 to 65535") from error
