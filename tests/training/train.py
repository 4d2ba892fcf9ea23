"""`python -m tests.training.train DATA`: fit the injection model and write the artefact that ships."""

from __future__ import annotations

import argparse
from pathlib import Path

from tests.training.corpus import load, written
from tests.training.fit import Windows, fit
from tests.training.generate import generate
from tests.training.leave_one_out import calibrate, leave_one_out

ARTEFACT = Path(__file__).parents[2] / "sidecar/inspection/model/injection.npz"


def main() -> None:
    """Calibrate on sources left out, so that 0.5 is the balanced point, then fit on everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with train/ and dev/ of labelled .jsonl")
    parser.add_argument("--output", type=Path, default=ARTEFACT, help="where the artefact goes")
    arguments = parser.parse_args()
    cases = [*load(arguments.data), *written(), *generate()]
    windows = Windows.of(cases)
    print(f"{len(cases)} texts, {windows.rows.shape[0]} windows", flush=True)
    calibration = calibrate(leave_one_out(windows, cases), cases)
    print(f"balanced at logit {calibration.middle:.2f}, slope {calibration.slope:.3f}", flush=True)
    fit(windows, cases).model(calibration.slope, calibration.middle).save(arguments.output)
    print(f"{arguments.output}: {arguments.output.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
