"""Puts known defects into a copy of the sources, one at a time, and sees the tests find each.

A test that cannot fail proves nothing. The defects and the tests that must fail are listed in
``tests/mutants/defects.py``; before them, the same tests must pass on the sources as they are.

    python3 run.py bench mutants [--only WORDS] [--jobs 2] [--why]

Prints a table; ends with 1 when a defect survives, or could not be put in.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from tests.mutants.defects import DEFECTS, Defect

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("clients", "services", "tests", "pyproject.toml")
DATABASES = ("sqlite", "postgresql")
TIMEOUT_S = 900


@dataclass(frozen=True)
class Outcome:
    """What the tests of one defect said."""

    defect: str
    failed: frozenset[str]  # names of tests
    found_on: dict[str, tuple[int, int]]  # by database: failed and run
    survived: tuple[str, ...]  # tests that passed, though they had to fail
    trouble: str = ""
    why: tuple[str, ...] = ()  # what the failing tests said

    @property
    def is_found(self) -> bool:
        """Whether every test that had to fail did."""
        return not self.survived and not self.trouble


def main() -> int:
    """Try all; give 1 when something was not found."""
    parser = argparse.ArgumentParser(prog="run.py bench mutants", description=__doc__)
    parser.add_argument("--only", default="", help="defects whose name holds these words")
    parser.add_argument("--jobs", type=int, default=2, help="defects tried at once")
    parser.add_argument("--why", action="store_true", help="print what each failing test said")
    options = parser.parse_args()
    chosen = [defect for defect in DEFECTS if options.only in defect.name]
    tests = sorted({test for defect in chosen for test in defect.tests})
    sound = _try(Defect("none: the sources as they are", (), tuple(tests)))
    if sound.failed or sound.trouble:
        print(f"without any defect these fail: {sorted(sound.failed)} {sound.trouble}")
        return 1
    with ThreadPoolExecutor(options.jobs) as threads:
        outcomes = list(threads.map(_try, chosen))
    _print(outcomes, why=options.why)
    found = sum(outcome.is_found for outcome in outcomes)
    print(f"\n{found} of {len(outcomes)} defects found")
    return 0 if found == len(outcomes) else 1


def _try(defect: Defect) -> Outcome:
    """Run the tests of a defect in a copy of the sources that has it."""
    with tempfile.TemporaryDirectory(prefix="ganforge-mutant-") as folder:
        root = Path(folder)
        _copy(root)
        try:
            for edit in defect.edits:
                edit.apply(root)
        except ValueError as error:
            return Outcome(defect.name, frozenset(), {}, defect.tests, str(error))
        return _run(defect, root)


def _copy(root: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "node_modules")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=ignored)
        else:
            shutil.copy(source, root / name)


def _run(defect: Defect, root: Path) -> Outcome:
    report = root / "report.xml"
    words = ["-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    command = [sys.executable, *words, *defect.tests]
    done = subprocess.run(
        command,
        cwd=root,
        env=_environment(root),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    # 0: all passed; 1: some failed; all else: they could not be run.
    if done.returncode not in (0, 1):
        return Outcome(defect.name, frozenset(), {}, defect.tests, done.stdout[-500:])
    cases = list(ElementTree.parse(report).iter("testcase"))
    failed = {_test_of(case) for case in cases if case.find("failure") is not None}
    survived = tuple(test for test in defect.tests if test.partition("::")[2] not in failed)
    errors = [case.get("name", "") for case in cases if case.find("error") is not None]
    return Outcome(
        defect.name,
        frozenset(failed),
        _by_database(cases),
        survived,
        f"errors in {errors}" if errors else "",
        tuple(_why(case) for case in cases if case.find("failure") is not None),
    )


def _environment(root: Path) -> dict[str, str]:
    """Let the copy's packages be found before those that are installed."""
    told = tomllib.loads((root / "pyproject.toml").read_text())
    paths = [str(root / path) for path in told["tool"]["mypy"]["mypy_path"]]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *paths])}


def _test_of(case: ElementTree.Element) -> str:
    return case.get("name", "").partition("[")[0]


def _why(case: ElementTree.Element) -> str:
    failure = case.find("failure")
    said = "" if failure is None else failure.get("message", "")
    return f"{case.get('name')}: {said.splitlines()[0] if said else ''}"


def _by_database(cases: Iterable[ElementTree.Element]) -> dict[str, tuple[int, int]]:
    run: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for case in cases:
        for database in DATABASES:
            if database in case.get("name", ""):
                run[database] += 1
                failed[database] += case.find("failure") is not None
    return {database: (failed[database], run[database]) for database in DATABASES}


def _print(outcomes: list[Outcome], *, why: bool) -> None:
    width = max(len(outcome.defect) for outcome in outcomes)
    print(f"{'defect':{width}}  {'':8}  failed of run: {'  '.join(DATABASES)}")
    for outcome in outcomes:
        counts = [outcome.found_on.get(database, (0, 0)) for database in DATABASES]
        told = "  ".join(f"{failed:>3} of {run:<3}" for failed, run in counts)
        verdict = "found" if outcome.is_found else "SURVIVED"
        print(f"{outcome.defect:{width}}  {verdict:8}  {told}")
        for test in outcome.survived:
            print(f"    did not fail: {test}")
        for said in (outcome.trouble, *(outcome.why if why else ())):
            if said:
                print(f"    {said}")


if __name__ == "__main__":
    sys.exit(main())
