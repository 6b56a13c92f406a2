"""The evaluator's process: it answers, it is seen to die, and nobody waits for it in vain."""

import threading
from pathlib import Path

import psutil
import pytest

from ganforge.errors import UnknownName
from ganforge_learner.outbox import Over
from ganforge_learner.quality.evaluator_process import EvaluatorDied, EvaluatorProcess
from ganforge_learner.quality.messages import Open, Opened, TrainJudge


def test_a_question_is_answered_until_the_process_is_killed(tmp_path: Path) -> None:
    process, over = EvaluatorProcess(tmp_path), threading.Event()
    try:
        assert isinstance(process.ask(Open("digits"), over), Opened)
        with pytest.raises(UnknownName, match="there is no dataset 'nothing'"):
            process.ask(Open("nothing"), over)
        assert process.pid is not None
        running = psutil.Process(process.pid)
        assert running.nice() >= 10
        running.kill()
        with pytest.raises(EvaluatorDied):
            process.ask(Open("digits"), over)
    finally:
        process.kill()


def test_a_question_that_is_not_wanted_any_more_ends_the_process(tmp_path: Path) -> None:
    process, over = EvaluatorProcess(tmp_path), threading.Event()
    assert process.pid is not None
    running = psutil.Process(process.pid)
    process.ask(Open("digits"), over)
    over.set()

    with pytest.raises(Over):
        process.ask(TrainJudge(tmp_path / "judge"), over)

    assert not running.is_running()
