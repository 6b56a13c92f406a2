"""Every defect on the list can still be put in, and the tests it names are there.

Whether they find it is told by ``python3 run.py bench mutants``.
"""

import ast
import shutil
from pathlib import Path

import pytest

from tests.mutants.defects import DEFECTS, Defect

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_the_defect_can_be_put_in_and_parses(defect: Defect, tmp_path: Path) -> None:
    for name in {edit.file for edit in defect.edits}:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for edit in defect.edits:
        edit.apply(tmp_path)
        ast.parse((tmp_path / edit.file).read_text())


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_the_tests_that_must_find_it_are_there(defect: Defect) -> None:
    for test in defect.tests:
        file, _, name = test.partition("::")
        found = ast.parse((ROOT / file).read_text()).body
        assert name in [node.name for node in found if isinstance(node, ast.FunctionDef)]


def test_a_defect_whose_words_are_gone_is_refused(tmp_path: Path) -> None:
    edit = DEFECTS[0].edits[0]
    (tmp_path / edit.file).parent.mkdir(parents=True)
    for text in ("", 2 * edit.old):
        (tmp_path / edit.file).write_text(text)
        with pytest.raises(ValueError, match="times"):
            edit.apply(tmp_path)
