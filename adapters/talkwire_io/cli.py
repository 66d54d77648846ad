"""What `talkwire …` runs."""

import argparse
import asyncio
import errno
import logging
import os
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from talkwire import Dialect, UnreadableError
from talkwire.replay import Replay, replay

from .recording import printable, told


class Trouble(Exception):  # noqa: N818 - it is shown to the user, one line
    """Why a command cannot run, and what to do about it."""

    status = 1


class Unusable(Trouble):
    """What was named on the command line cannot be used."""

    status = 2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. Trouble is one line on stderr and exit status 1, or 2 for a bad file."""
    started = time.monotonic()
    options = _parser().parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
    )
    try:
        options.run(options, started)
    except Trouble as trouble:
        print(f"talkwire: {trouble}", file=sys.stderr)
        sys.exit(trouble.status)
    except KeyboardInterrupt:
        sys.exit(130)  # ^C while the voice was loading: as the shell knows it, without a traceback


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="talkwire", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="serve a page to talk to an agent with tools")
    demo.add_argument("--openai", action="store_true", help="use OpenAI, with OPENAI_API_KEY")
    demo.add_argument("--model", default="gpt-realtime", help="the model (default: %(default)s)")
    demo.add_argument(
        "--record", type=Path, metavar="FOLDER", help="write a recording of each call to a folder"
    )
    _add_address(demo)
    demo.set_defaults(run=_demo, command="demo")
    serve = commands.add_parser("serve", help="serve the local Realtime service alone")
    serve.add_argument(
        "--key", action="append", metavar="KEY", help="take this server key, not any (repeatable)"
    )
    serve.add_argument(
        "--dialect",
        choices=("ga", "beta", "both"),
        default="ga",
        help="beta is for old clients; both: who asks for beta has it (default: %(default)s)",
    )
    serve.add_argument("--no-voice", action="store_true", help="text only: ready at once")
    _add_address(serve)
    serve.set_defaults(run=_serve, command="serve")
    replay = commands.add_parser("replay", help="play a recording again and show what was said")
    replay.add_argument("file", type=Path, help="the recording: JSON lines, as --record writes it")
    replay.add_argument(
        "--check", action="store_true", help="fail when a byte that leaves differs from then"
    )
    replay.set_defaults(run=_replay, verbose=False)
    return parser


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", default="127.0.0.1", help="where to listen (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="0 takes a free one (default: %(default)s)"
    )
    parser.add_argument("--verbose", action="store_true", help="log what happens")


def _replay(options: argparse.Namespace, started: float) -> None:
    file: Path = options.file
    try:
        # Lines end in "\n" alone; bytes that are no UTF-8 are for `replay` to refuse.
        with file.open(encoding="utf-8", errors="surrogateescape", newline="\n") as lines:
            played = replay(lines)
    except OSError as error:
        raise Unusable(f"{file}: {error.strerror}") from error
    except UnreadableError as error:
        raise Unusable(f"{file}: {error}") from error
    if options.check:
        _check(file, played)
    else:
        _say(told(played))


def _say(lines: Iterable[str]) -> None:
    try:
        print(*lines, sep="\n", flush=True)
    except BrokenPipeError:  # who reads has had enough: `talkwire replay FILE | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _check(file: Path, played: Replay) -> None:
    if played.difference is not None:
        parted = played.difference
        was, is_ = (printable(each or "no frame") for each in (parted.expected, parted.got))
        raise Trouble(f"{file}: line {parted.line} differs\nrecorded: {was}\nreplayed: {is_}")
    cut = "; its last line is cut off" if played.cut else ""
    print(f"{file}: {len(played.steps)} inputs, {played.frames} frames, every byte the same{cut}")


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
    try:
        if options.record is not None:
            options.record.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unusable(f"{options.record}: {error.strerror}") from error
    with _listen(options) as listener:
        try:
            asyncio.run(
                serve_demo(
                    listener,
                    openai=openai,
                    model=options.model,
                    started=started,
                    record=options.record,
                )
            )
        except VoiceError as error:
            raise Trouble(str(error)) from error
    _leave()


def _serve(options: argparse.Namespace, started: float) -> None:
    try:
        from .local.options import Options
        from .local.serving import serve_until_stopped
        from .local.voice import VoiceError
    except ModuleNotFoundError as error:
        raise Trouble(f'{error.name} is missing: pip install "talkwire[local]"') from error
    dialects = list(Dialect) if options.dialect == "both" else [Dialect(options.dialect)]
    terms = Options(keys=options.key, dialects=dialects)
    with _listen(options) as listener:
        try:
            asyncio.run(serve_until_stopped(listener, options=terms, voice=not options.no_voice))
        except VoiceError as error:
            raise Trouble(str(error)) from error
    _leave()


def _leave() -> None:
    # A tool that never returns must not hold the process: threads cannot be stopped.
    sys.stdout.flush()
    os._exit(0)


def _listen(options: argparse.Namespace) -> socket.socket:
    host, port = options.host, options.port
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise Trouble(
                f"port {port} is taken; try: talkwire {options.command} --port {port + 1}"
            ) from error
        raise Trouble(f"cannot listen on {host} port {port}: {error.strerror}") from error
    except OverflowError as error:
        raise Trouble(f"{port} is not a port: 0 to 65535") from error
