"""`portcullis inspect`: what the inspectors say about some text."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sidecar.errors import ConfigurationError, PortcullisError

if TYPE_CHECKING:
    from sidecar.inspection import Finding, Inspection
    from sidecar.prompt import Prompt


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    text: str | msgspec.UnsetType = msgspec.UNSET
    path: str | msgspec.UnsetType = msgspec.UNSET
    method: str = "POST"
    body: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DECODER = msgspec.json.Decoder(_Line)


def register(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "inspect",
        help="inspect files, or prompts as JSON lines on standard input",
        description='Without FILE: reads JSON lines from standard input, each {"text": ...} (user text) or '
        '{"path": "/v1/chat/completions", "body": {...}}, and answers each with one line, in the same order. '
        "A FILE is one prompt, as plain text; - is standard input. The status is 1 when anything is denied.",
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="a text to inspect as a user's prompt")
    parser.add_argument("--config", type=Path, metavar="FILE", help="take the inspectors of this configuration")
    parser.add_argument(
        "--eval",
        type=Path,
        metavar="DIR",
        help="print false positives and recall of injection on labelled texts: DIR/**/*.jsonl with text, label, kind",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for each FILE instead of a report")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    if options.eval:
        return _evaluate(options.eval, options.config)
    inspection = _inspection(options.config)
    if options.files:
        return _report(inspection, options.files, as_json=options.json)
    for answer in _answers(inspection, sys.stdin.buffer):
        print(json.dumps(answer), flush=True)
    return 0


def _inspection(path: Path | None) -> Inspection:
    """The inspectors of a configuration; without one, injection alone as it is by default."""
    from sidecar.inspection import Inspection, InspectionSettings  # noqa: PLC0415 - see serve
    from sidecar.metrics import Metrics  # noqa: PLC0415

    if path is None:
        return Inspection(InspectionSettings.model_validate({"inspectors": [{"kind": "injection"}]}), Metrics())
    from sidecar import config  # noqa: PLC0415

    return Inspection(config.load(path).inspection, Metrics())


def _evaluate(folder: Path, path: Path | None) -> int:
    """The tables for the configured injection inspector, or for the default one."""
    from sidecar import config  # noqa: PLC0415
    from sidecar.inspection.evaluation import evaluate  # noqa: PLC0415
    from sidecar.inspection.injection import InjectionInspector, InjectionSettings  # noqa: PLC0415
    from sidecar.prompt import Role  # noqa: PLC0415

    configured = config.load(path).inspection.inspectors if path else ()
    settings = next(
        (one for one in configured if isinstance(one, InjectionSettings)), InjectionSettings(kind="injection")
    )
    inspector = InjectionInspector(settings)
    print(evaluate(folder, inspector, inspector.threshold(Role.USER)))
    return 0


def _answers(inspection: Inspection, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """One answer for each line; what is wrong with a line is told in its place."""
    for line in lines:
        try:
            yield _verdict(inspection, _prompt(line))
        except PortcullisError as fault:
            yield {"error": {"code": fault.code, "message": fault.detail or fault.code}}


def _prompt(line: bytes) -> Prompt:
    from sidecar import apis  # noqa: PLC0415
    from sidecar.errors import InvalidBody  # noqa: PLC0415

    try:
        entry = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise InvalidBody("line_invalid", f"not a line that can be inspected: {fault}") from None
    if entry.text is not msgspec.UNSET and entry.path is msgspec.UNSET and entry.body is msgspec.UNSET:
        return _user(entry.text)
    if entry.text is msgspec.UNSET and entry.path is not msgspec.UNSET and entry.body is not msgspec.UNSET:
        return apis.match(entry.method, entry.path).parse(bytes(entry.body), "application/json")
    raise InvalidBody("line_invalid", "a line has either `text`, or `path` and `body`")


def _user(text: str) -> Prompt:
    from sidecar.prompt import Prompt, Role, Segment  # noqa: PLC0415

    return Prompt(api="text", model=None, segments=(Segment(Role.USER, text, "text"),), body_bytes=len(text))


def _verdict(inspection: Inspection, prompt: Prompt) -> dict[str, Any]:
    verdict = inspection.inspect_now(prompt)
    return {
        "action": verdict.action.value,
        "score": round(verdict.score, 4),
        "findings": [_shown(finding) for finding in verdict.findings],
    }


def _shown(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "category": finding.category,
        "severity": finding.severity,
        "score": round(finding.score, 4),
        "action": finding.action.value,
        "segment": finding.segment,
        "start": finding.start,
        "end": finding.end,
    }


def _report(inspection: Inspection, files: list[str], *, as_json: bool) -> int:
    status = 0
    for file in files:
        verdict = _verdict(inspection, _user(_read(file)))
        if as_json:
            print(json.dumps({"file": file} | verdict))
        else:
            print(f"{file}: {verdict['action']}, score {verdict['score']:.2f}")
            for finding in verdict["findings"]:
                print(
                    f"  {finding['rule']:<40} {finding['severity']:<9}{finding['score']:.2f}  "
                    f"characters {finding['start']}-{finding['end']}"
                )
        if verdict["action"] == "deny":
            status = 1
    return status


def _read(file: str) -> str:
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as fault:
        raise ConfigurationError(file, "", f"can't be read: {fault.strerror}") from None
    return data.decode("utf-8", "replace")
