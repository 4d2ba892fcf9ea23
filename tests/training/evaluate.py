"""`python -m tests.training.evaluate DATA`: accuracy on sources that neither model nor calibration saw."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from sidecar.inspection.evaluation import Case, judge, read, report, report_disguises
from sidecar.inspection.fusion import THRESHOLDS
from sidecar.inspection.injection import InjectionInspector, InjectionSettings
from tests.training.corpus import WRITTEN, load, written
from tests.training.fit import Windows
from tests.training.generate import generate
from tests.training.leave_one_out import calibrate, leave_one_out

_SETTINGS = InjectionSettings(kind="injection")


def main() -> None:
    """Print every table of the README."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train/ and dev/ of labelled .jsonl")
    data: Path = parser.parse_args().data
    training = [*load(data), *written(), *generate()]
    fitted = leave_one_out(Windows.of(training), training)
    calibration = calibrate(fitted, training)
    cases: list[Case] = []
    scores: list[float] = []
    public = [*read(data / "train"), *read(data / "dev")]
    everything = [*public, *written()]
    for fold, one in fitted.items():
        inspector = InjectionInspector(_SETTINGS, one.model(calibration.slope, calibration.middle))
        held = [case for case in everything if case.source in fold]
        cases += map(_by_kind, held)
        scores += [judge(inspector, case.text, case.role) for case in held]
    print("# Sources left out, rules and model together\n")
    for name, threshold in THRESHOLDS.items():
        print(f"## {name}\n{report(cases, scores, threshold, families=name == 'balanced')}\n", flush=True)
    shipped = InjectionInspector(_SETTINGS)
    print("# Disguises\n")
    print(report_disguises(public, lambda text: judge(shipped, text), THRESHOLDS["balanced"]))


def _by_kind(case: Case) -> Case:
    """Our own texts are told apart by what their author was asked for."""
    return replace(case, source=f"{case.source} {case.family}") if case.source.startswith(WRITTEN) else case


if __name__ == "__main__":
    main()
