"""`python -m tests.training.evaluate DATA`: accuracy on sources that neither model nor calibration saw."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from sidecar.inspection.evaluation import Case, judge, read, report, report_disguises
from sidecar.inspection.fusion import THRESHOLDS
from sidecar.inspection.injection import InjectionInspector, InjectionSettings
from sidecar.prompt import Role
from tests.training.corpus import load
from tests.training.fit import Windows
from tests.training.generate import generate
from tests.training.leave_one_out import calibrate, leave_one_out

_PROBES = Path(__file__).parent / "probes.yaml"
_SETTINGS = InjectionSettings(kind="injection")


def main() -> None:
    """Print every table of the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train/ and dev/ of labelled .jsonl")
    data: Path = parser.parse_args().data
    training = [*load(data), *generate()]
    fitted = leave_one_out(Windows.of(training), training)
    calibration = calibrate(fitted, training)
    cases: list[Case] = []
    scores: list[float] = []
    everything = [*read(data / "train"), *read(data / "dev")]
    for fold, one in fitted.items():
        inspector = InjectionInspector(_SETTINGS, one.model(calibration.slope, calibration.middle))
        held = [case for case in everything if case.source in fold]
        cases += held
        scores += [judge(inspector, case.text) for case in held]
    print("# Sources left out, rules and model together\n")
    for name, threshold in THRESHOLDS.items():
        print(f"## {name}\n{report(cases, scores, threshold, families=name == 'balanced')}\n", flush=True)
    shipped = InjectionInspector(_SETTINGS)
    print("# Probes, written by hand; the families were widened after a first look at them\n")
    probes = [
        Case(text, group.startswith("attack"), group, "", "")
        for group, texts in yaml.safe_load(_PROBES.read_text(encoding="utf-8")).items()
        for text in texts
    ]
    role = {"attack: tool results": Role.TOOL}
    values = [judge(shipped, case.text, role.get(case.source, Role.USER)) for case in probes]
    print(report(probes, values, THRESHOLDS["balanced"]), "\n", flush=True)
    print("# Disguises\n")
    print(report_disguises(everything, lambda text: judge(shipped, text), THRESHOLDS["balanced"]))


if __name__ == "__main__":
    main()
