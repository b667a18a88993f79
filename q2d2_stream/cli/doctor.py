"""``q2d2 doctor``: can this machine, its sound and its network hold a call?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from q2d2_stream import __version__
from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.cli.numbers import seconds

if TYPE_CHECKING:
    from q2d2_stream.doctor import Finding, Subject

__all__ = ["DESCRIPTION", "EPILOG", "add_arguments", "run"]

DESCRIPTION = "Check whether this machine can hold a call, and say what to do."
EPILOG = "The exit status is 1 when something is red: no call. Yellow is not at its best.\n\n"
_MARKS = {"green": "ok", "yellow": "!!", "red": "XX"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--config", metavar="FILE", help="check what this configuration of q2d2 serve names"
    )
    parser.add_argument("--peer", metavar="HOST:PORT", help="can this peer be reached?")
    parser.add_argument("--ca", metavar="PEM", help="the authority that the peer is checked with")
    parser.add_argument("--secret-file", metavar="FILE", help="is this file private?")
    parser.add_argument("--tls-cert", metavar="PEM", help="is this certificate valid?")
    parser.add_argument("--tls-key", metavar="PEM", help="does its key belong to it?")
    parser.add_argument("--input", metavar="WHAT", help="the microphone: index or part of a name")
    parser.add_argument("--output", metavar="WHAT", help="the loudspeaker: index or part of a name")
    parser.add_argument(
        "--seconds", type=seconds, default=5.0, help="how long to record and play (default: 5)"
    )
    parser.add_argument("--no-sound", action="store_true", help="leave sound devices alone")
    parser.add_argument("--models", metavar="DIR", help="use these model files, not the shipped")


def run(args: argparse.Namespace) -> int:
    """Check and print."""
    subject = _subject(args)
    from q2d2_stream.doctor import Verdict, worst

    findings = []
    for finding in _examine(subject):
        findings.append(finding)
        if not args.json:
            _print(finding)
    verdict = worst(findings)
    if args.json:
        report = {
            "version": __version__,
            "verdict": str(verdict),
            "findings": [finding.to_dict() for finding in findings],
        }
        print(json.dumps(report))
    return ExitCode.FAILED if verdict is Verdict.RED else ExitCode.OK


def _subject(args: argparse.Namespace) -> Subject:
    from pathlib import Path

    from q2d2_stream.doctor import Subject
    from q2d2_stream.engine.choice import available
    from q2d2_stream.engine.codec import MODELS

    subject = Subject(
        engines=tuple(available(Path(args.models) if args.models else MODELS)),
        models=args.models,
        sound=not args.no_sound,
        input=args.input,
        output=args.output,
        seconds=args.seconds,
        peer=args.peer,
        ca=args.ca,
        tls_cert=args.tls_cert,
        tls_key=args.tls_key,
        secret_file=args.secret_file,
    )
    if args.config is None:
        return subject
    from q2d2_stream.service import load_config

    config = load_config(args.config)
    named = ("input", "output", "peer", "ca", "tls_cert", "tls_key", "secret_file")
    # What is given on the command line goes before what the file says.
    return replace(
        subject, **{name: getattr(args, name) or getattr(config, name) for name in named}
    )


def _examine(subject: Subject) -> Iterator[Finding]:
    from q2d2_stream.doctor import checks_for, run_check
    from q2d2_stream.doctor.checks import ENGINE
    from q2d2_stream.doctor.engine import choose_engine

    measured: list[Finding] = []
    checks = checks_for(subject)
    engines = [check for check in checks if check.target == ENGINE]
    if not engines:
        yield choose_engine([])
    for check in checks:
        findings = run_check(check)
        yield from findings
        if check in engines:
            measured += findings
            if check is engines[-1]:
                yield choose_engine(measured)


def _print(finding: Finding) -> None:
    """One line, and a second one with what to do; colours on a terminal, none in a pipe."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    mark = Text(f"{_MARKS[finding.verdict]} ", style=f"bold {finding.verdict}")
    console.print(mark + Text(f"{finding.name}: {finding.text}"))
    if finding.advice:
        console.print(Text(f"   -> {finding.advice}", style="dim"))
