import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.ipc
import pytest
import torch

from ganforge import Client
from ganforge.cli import pairs
from ganforge.cli.application import COMMANDS
from ganforge.networks import BUILTIN
from ganforge.wire.learning import CollapseNote, Completion, EarlyEnd, Outcome
from ganforge_learner.networks import load_generator
from ganforge_learner.samples import columns_for, draw_grid
from ganforge_local.server import LocalServer
from tests.clients.conftest import CommandLine, Ran
from tests.local.serving import PlayedLearner
from tests.repository.files import weights_of

SEED_LINE = (
    "learn Generator,Discriminator MNIST strategy=GANLearningStrategy generatorDim=10 "
    "batchSize=16 method=SGD learningRate=0.001 momentum=0.9 trace=true clean=true"
)
LEARN = ("learn", "Generator,Discriminator", "MNIST")


def submitted(ganforge: CommandLine, *config: str) -> str:
    told = ganforge(*LEARN, *config, "--detach")
    assert told.code == 0, told.err
    return told.out.strip()


def sentence(told: Ran) -> str:
    """The one sentence an error is told in."""
    lines = told.err.splitlines()
    assert len(lines) == 1, told.err
    assert lines[0].startswith("error: ")
    assert told.out == ""
    return lines[0]


def test_the_seeds_command_line_is_exactly_its_job(ganforge: CommandLine, client: Client) -> None:
    told = ganforge(*SEED_LINE.split(), "--detach", "--json")
    assert told.code == 0
    job = client.jobs.get(told.json["id"])
    assert told.json == json.loads(job.model_dump_json())
    assert (job.networks, job.dataset) == (["Generator", "Discriminator"], "MNIST")
    assert (
        job.config.items()
        >= {
            "strategy": "GANLearningStrategy",
            "generatorDim": 10,
            "batchSize": 16,
            "method": "SGD",
            "learningRate": 0.001,
            "momentum": 0.9,
            "trace": True,
            "clean": True,
        }.items()
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("10", 10),
        ("1e-3", 0.001),
        ("true", True),
        ("True", True),
        ("yes", True),
        ("off", False),
        ("null", None),
        ('"10"', "10"),
        ("[1,2]", [1, 2]),
        ("SGD", "SGD"),
        ("NaN", "NaN"),
        ("a=b", "a=b"),
        ("", ""),
    ],
)
def test_values_are_read_as_people_mean_them(text: str, value: object) -> None:
    read = pairs.parse([f"key={text}"])["key"]
    assert (read, type(read)) == (value, type(value))


def test_what_is_no_pair_is_a_mistake_of_usage(anywhere: CommandLine) -> None:
    told = anywhere(*LEARN, "batchSize")
    assert told.code == 2
    assert "'batchSize' is not of the form key=value   (see: ganforge learn --help)" in sentence(
        told
    )
    told = anywhere(*LEARN, "a=1", "a=2")
    assert "a is given twice" in sentence(told)


def test_a_misspelt_key_is_one_sentence_with_the_nearest_one(ganforge: CommandLine) -> None:
    told = ganforge(*LEARN, "batchsize=16")
    assert told.code == 2
    assert "did you mean 'batchSize'?" in sentence(told)


def test_an_ill_typed_value_is_one_sentence(ganforge: CommandLine) -> None:
    told = ganforge(*LEARN, "batchSize=many")
    assert told.code == 2
    assert sentence(told).startswith("error: batchSize: 'many' is not")


def test_a_misspelt_network_or_dataset_is_not_found(
    ganforge: CommandLine, learner: PlayedLearner
) -> None:
    told = ganforge("learn", "Generator,Discrminator", "MNIST")
    assert (told.code, "did you mean Discriminator?" in sentence(told)) == (3, True)
    told = ganforge("learn", "Generator,Discriminator", "MNISt")
    assert (told.code, "did you mean 'MNIST'?" in sentence(told)) == (3, True)


def test_networks_that_do_not_fit_are_a_mistake_of_usage(
    ganforge: CommandLine, learner: PlayedLearner
) -> None:
    told = ganforge("learn", "Generator,Discriminator", "digits")
    assert told.code == 2
    assert "take a generator of that shape" in sentence(told)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["jbos"], "did you mean 'jobs'?"),
        (["jobs", "lst"], "did you mean 'list'?"),
        (["weights", "pul"], "did you mean 'pull'?"),
        (["jobs", "list", "--jsn"], "--json"),
        (["weights", "pull", "Generator"], "does not name weights"),
        (["weights", "pull", "Generator@a:b"], "is no version"),
        (["jobs", "show"], "missing argument"),
    ],
)
def test_what_is_mistyped_is_one_sentence_with_a_hint(
    anywhere: CommandLine, words: list[str], hint: str
) -> None:
    told = anywhere(*words)
    assert told.code == 2
    assert hint in sentence(told)


def test_what_is_not_there_exits_with_3(ganforge: CommandLine) -> None:
    assert ganforge("jobs", "show", "job-00000000").code == 3
    assert ganforge("networks", "show", "Genrator").code == 3
    assert ganforge("weights", "pull", "Generator@nothing").code == 3
    assert ganforge("strategies", "GANLearningStrateg").code == 3


def test_a_wrong_token_exits_with_4(ganforge: CommandLine) -> None:
    told = ganforge("jobs", "list", "--token", "wrong")
    assert (told.code, "check GANFORGE_TOKEN" in sentence(told)) == (4, True)


def test_a_server_that_is_down_exits_with_5(anywhere: CommandLine) -> None:
    told = anywhere("--server", "http://127.0.0.1:9", "jobs", "list")
    assert (told.code, "is the server running?" in sentence(told)) == (5, True)


def test_what_the_state_does_not_allow_exits_with_6(ganforge: CommandLine) -> None:
    told = ganforge("jobs", "retry", submitted(ganforge))
    assert (told.code, "cannot be retried" in sentence(told)) == (6, True)


def test_server_and_token_may_stand_before_and_after_the_command(
    anywhere: CommandLine, server: LocalServer, tmp_path: Path
) -> None:
    (tmp_path / "ganforge-data" / "token").unlink()
    options = ("--server", server.url, "--token", server.token)
    assert anywhere(*options, "jobs", "list").code == 0
    assert anywhere("jobs", "list", *options).code == 0
    assert anywhere(*options, "jobs", "list", "--token", "wrong").code == 4


def test_steering_is_told(ganforge: CommandLine) -> None:
    job = submitted(ganforge)
    for action, state in (
        ("pause", "PAUSED"),
        ("resume", "QUEUED"),
        ("stop", "CANCELLED"),
        ("retry", "QUEUED"),
        ("cancel", "CANCELLED"),
    ):
        assert ganforge("jobs", action, job).out == f"{job} is {state}\n"


def test_every_commands_json_is_json(
    ganforge: CommandLine, learner: PlayedLearner, client: Client, tmp_path: Path
) -> None:
    job = submitted(ganforge, "storeInterval=5")
    learner.do_one_job()
    waiting = submitted(ganforge)
    definition = dict(client.networks.get("Generator").definition)
    (tmp_path / "mine.json").write_text(json.dumps({**definition, "name": "Mine"}))
    told = {
        words: ganforge(*words.split(), "--json")
        for words in (
            "jobs list",
            f"jobs show {job}",
            f"jobs pause {waiting}",
            f"jobs resume {waiting}",
            f"jobs stop {waiting}",
            f"jobs retry {waiting}",
            f"jobs cancel {waiting}",
            "datasets list",
            "datasets show digits",
            "strategies",
            "strategies GANLearningStrategy",
            "learners",
            "networks list",
            "networks show Generator",
            "networks show Generator --shapes",
            "networks put Mine mine.json",
            "weights list",
            "weights list Generator",
            f"weights list Generator@{job}",
            f"weights pull Generator@{job}:1 --out g.safetensors",
            "weights push Generator@mine g.safetensors",
            f"weights promote Generator@{job} Generator@mine",
            "weights diff Generator@mine:1 2",
        )
    }
    for words, ran in told.items():
        assert (words, ran.code, ran.err) == (words, 0, "")
        assert isinstance(ran.json, dict), words
    assert [item["id"] for item in told["jobs list"].json["items"]] == [waiting, job]
    assert told["weights diff Generator@mine:1 2"].json["identical"]
    events = ganforge("jobs", "watch", job, "--json")
    assert [event["id"] for event in events.lines] == list(range(1, len(events.lines) + 1))


def test_all_progress_is_written_as_lines_as_a_table_and_as_arrow(
    ganforge: CommandLine, learner: PlayedLearner, tmp_path: Path
) -> None:
    job = submitted(ganforge)
    learner.do_one_job()
    told = ganforge("jobs", "progress", job)
    assert [point["iteration"] for point in told.lines] == list(range(10))
    table = ganforge("jobs", "progress", job, "--format", "csv").out.splitlines()
    assert table[:2] == ["iteration,minibatchLoss,dLossReal,dLossFake", "0,0.5,0.25,0.125"]
    assert len(table) == 11
    ran = ganforge("jobs", "progress", job, "--format", "arrow", "--out", "p.arrow")
    assert (ran.code, ran.out) == (0, "")
    with pyarrow.ipc.open_stream(tmp_path / "p.arrow") as stream:
        assert stream.read_all().num_rows == 10
    assert ganforge("jobs", "progress", "job-00000000", "--out", "q").code == 3
    assert not list(tmp_path.glob("*q*"))


def test_every_table_has_its_rows(ganforge: CommandLine, learner: PlayedLearner) -> None:
    job = submitted(ganforge)
    learner.do_one_job()
    assert re.search(rf"{job} +SUCCEEDED +10 +0\.500", ganforge("jobs", "list").out)
    assert f"Generator@{job}:1" in ganforge("jobs", "show", job).out
    assert re.search(r"DigitsGenerator +[\d,]{5,} ", ganforge("networks", "list").out)
    assert re.search(r"digits +1x8x8 +1,797 +10", ganforge("datasets", "list").out)
    assert re.search(r"samples +1,797\nshape +1x8x8\n", ganforge("datasets", "show", "digits").out)
    missing = ganforge("datasets", "show", "Pets")
    assert (missing.code, missing.out) == (3, "")
    assert "no learner reads 'Pets': ganforge datasets check" in missing.err
    assert "GANLearningStrategy" in ganforge("strategies").out
    assert re.search(r"batchSize +32 ", ganforge("strategies", "GANLearningStrategy").out)
    assert re.search(r"played +cpu +alive", ganforge("learners").out)
    assert re.search(rf"Generator@{job} +1", ganforge("weights", "list").out)
    assert re.search(rf"Generator@{job}:1 +10", ganforge("weights", "list", f"Generator@{job}").out)


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("(&(pool=blue)(gpu.count>=1))", "(&(pool=blue)(gpu.count>=1))"),
        ('{"matchLabels":{"pool":"blue"}}', '{"matchLabels":{"pool":"blue"}}'),
    ],
)
def test_a_job_for_certain_learners_says_for_which_and_what_it_waits_for(
    ganforge: CommandLine, learner: PlayedLearner, given: str, shown: str
) -> None:
    told = ganforge(*LEARN, f"targetFilter={given}", "--detach")
    assert told.code == 0
    job = ganforge("jobs", "show", told.out.strip()).out
    assert f"filter     {shown}\n" in job
    assert "waits      no learner here fits targetFilter: none has" in job


def test_a_filter_that_cannot_be_read_is_one_sentence_with_the_place(ganforge: CommandLine) -> None:
    told = ganforge(*LEARN, "targetFilter=(os=linux")
    assert told.code == 2
    assert "targetFilter: at character 10" in sentence(told)


def test_a_networks_definition_can_be_put_back(ganforge: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "definition.json").write_text(ganforge("networks", "show", "Generator").out)
    told = ganforge("networks", "put", "Generator", "definition.json")
    assert (told.code, told.out[:11]) == (0, "Generator: ")
    (tmp_path / "broken.json").write_text("{")
    assert ganforge("networks", "put", "Generator", "broken.json").code == 2


def test_a_network_is_shown_module_by_module(ganforge: CommandLine) -> None:
    lines = ganforge("networks", "show", "R3GANCritic28", "--shapes").out.splitlines()
    assert re.fullmatch(r"MODULE +TYPE +GIVES +PARAMETERS", lines[0])
    assert re.fullmatch(r"input +1x28x28 +-", lines[1])
    assert re.fullmatch(r"1 +Residual +32x28x28 +13,440", lines[3])
    assert re.fullmatch(r"  1\.body\.0 +Conv2d +64x28x28 +2,112", lines[4])
    told = ganforge("networks", "show", "R3GANCritic28", "--shapes", "--json").json["items"]
    assert told[-1] == {"path": "13", "type": "Linear", "output": [1], "parameters": 96}


def test_a_conditional_generators_grid_has_its_classes_in_turn(
    ganforge: CommandLine, client: Client, tmp_path: Path
) -> None:
    (definition,) = (told for told in BUILTIN if told.name == "ConditionalDigitsGenerator")
    file = tmp_path / "generator.safetensors"
    file.write_bytes(weights_of(definition.name))
    client.weights.push(definition.name, file, tag="mine")
    told = ganforge("sample", definition.name, "--n", "12", "--seed", "3", "--out", "grid.png")
    assert told.code == 0
    latents = torch.randn(12, 10, generator=torch.Generator().manual_seed(3))
    images = load_generator(file, definition)(latents, torch.tensor([*range(10), 0, 1]))
    grid = draw_grid(images, (-1.0, 1.0), columns=columns_for(10))
    assert (tmp_path / "grid.png").read_bytes() == grid


def test_learn_follows_the_job_and_prints_its_weights(
    ganforge: CommandLine, learner: PlayedLearner
) -> None:
    with learner.busy():
        told = ganforge(*LEARN, "maxIterations=10")
    assert told.code == 0
    assert re.fullmatch(r"Generator@(job-\w+):1\nDiscriminator@\1:1\n", told.out)
    assert "running on played" in told.err
    assert "10/10  D 0.375  G 0.500" in told.err
    assert "is done: 10 iterations in 0:0" in told.err


def test_learn_with_json_prints_the_job_as_it_ended(
    ganforge: CommandLine, learner: PlayedLearner
) -> None:
    with learner.busy():
        told = ganforge(*LEARN, "--json")
    assert told.json["state"] == "SUCCEEDED"
    assert told.json["weights"]["Generator"]["version"] == 1


def test_the_exit_code_follows_the_job(ganforge: CommandLine, learner: PlayedLearner) -> None:
    job = submitted(ganforge)
    learner.fail(learner.take(), "a loss is NaN: lower learningRate")
    told = ganforge("jobs", "watch", job)
    assert told.code == 1
    assert f"error: {job} failed: a loss is NaN: lower learningRate" in told.err
    assert ganforge("jobs", "watch", job, "--json").code == 1


def test_several_jobs_are_watched_at_once(ganforge: CommandLine, learner: PlayedLearner) -> None:
    first, second = (submitted(ganforge) for _ in range(2))
    learner.do_one_job()
    ganforge("jobs", "cancel", second)
    told = ganforge("jobs", "watch", first, second)
    assert told.code == 1
    assert f"{first}: 10  D 0.375" in told.err
    assert f"{second} was cancelled" in told.err
    events = ganforge("jobs", "watch", second, first, "--json").lines
    assert {event["job"] for event in events} == {first, second}


def test_watching_can_be_given_up_after_a_while(ganforge: CommandLine) -> None:
    job = submitted(ganforge)
    told = ganforge("jobs", "watch", job, "--timeout", "2")
    assert told.code == 8
    assert "no learner is here" in told.err
    assert f"{job} still goes on after 2 s" in told.err


def test_ctrl_c_ends_the_following_and_not_the_job(
    ganforge: CommandLine, learner: PlayedLearner, client: Client, server: LocalServer
) -> None:
    environment = {**os.environ, "GANFORGE_TOKEN": server.token}
    command = [sys.executable, "-m", "ganforge", *LEARN]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        learner.take()
        while "running on played" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    (job,) = client.jobs.list()
    assert (process.returncode, out) == (130, "")
    assert f"ganforge jobs watch {job.id}" in err
    assert f"ganforge jobs stop {job.id}" in err
    assert "Traceback" not in err
    assert job.state == "RUNNING"


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    words = [sys.executable, "-X", "importtime", "-m", "ganforge", "--help"]
    told = subprocess.run(words, capture_output=True, text=True, check=True)
    for name, entry in COMMANDS.items():
        assert f"{name} " in told.stdout
        assert entry.summary in told.stdout
    loaded = {line.rpartition("|")[2].strip() for line in told.stderr.splitlines()}
    assert "ganforge.cli.application" in loaded
    assert not loaded & {"torch", "numpy", "pydantic", "httpx", "sqlalchemy", "fastapi"}


def test_every_command_there_is_tells_its_help(anywhere: CommandLine) -> None:
    for name in COMMANDS:
        told = anywhere(name, "--help")
        assert told.code == 0
        assert told.out.startswith(f"Usage: ganforge {name}")


def test_a_service_that_is_not_installed_is_one_sentence() -> None:
    code = (
        "import sys; sys.modules['fastapi'] = None;"
        "sys.argv = ['ganforge', 'coordinator']; from ganforge.cli import main; main()"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 2
    assert "pip install 'ganforge[coordinator]'" in told.stderr
    assert len(told.stderr.splitlines()) == 1


def test_without_click_one_sentence_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util as u; find = u.find_spec;"
        "u.find_spec = lambda name, *a: None if name == 'click' else find(name, *a);"
        "from ganforge.cli import main; main()"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert told.returncode == 2
    assert "pip install 'ganforge[cli]'" in told.stderr


@pytest.mark.parametrize("number", ["nan", "inf", "1e400", "-Infinity"])
def test_a_number_that_is_none_is_never_taken_for_not_given(
    ganforge: CommandLine, number: str
) -> None:
    told = ganforge(*LEARN, f"learningRate={number}", "--detach")
    assert told.code == 2
    assert "learningRate" in sentence(told)


@pytest.mark.parametrize("token", ["\u00fcnicode-token-0123456789", "two words-0123456789"])
def test_a_token_that_cannot_be_one_is_told_without_showing_it(
    ganforge: CommandLine, token: str
) -> None:
    told = ganforge("--token", token, "jobs", "list")
    assert told.code == 4
    assert "GANFORGE_TOKEN" in sentence(told)
    assert token not in told.err


def test_a_name_in_another_case_is_guessed(ganforge: CommandLine) -> None:
    told = ganforge(*LEARN, "method=sgd", "--detach")
    assert told.code == 2
    assert "did you mean 'SGD'?" in sentence(told)


def test_learn_takes_a_recipe_in_place_of_networks_and_dataset(
    ganforge: CommandLine, learner: PlayedLearner
) -> None:
    told = ganforge("learn", "recipe=digits", "batchSize=7", "--detach", "--json")
    assert told.code == 0, told.err
    job = json.loads(told.out)
    assert (job["dataset"], job["config"]["batchSize"]) == ("digits", 7)
    for words in (["batchSize=7"], ["Generator,Discriminator", "recipe=digits"], []):
        refused = ganforge("learn", *words)
        assert refused.code == 2
        assert "name NETWORKS and DATASET, or a recipe" in refused.err


def test_the_recipes_are_a_table_or_json(ganforge: CommandLine) -> None:
    assert re.search(r"^digits +digits +Perceptrons", ganforge("recipes").out, re.MULTILINE)
    items = json.loads(ganforge("recipes", "--json").out)["items"]
    assert items[0]["name"] == "digits"


def test_a_collapse_is_said_where_a_job_is_shown_and_followed(
    ganforge: CommandLine, learner: PlayedLearner
) -> None:
    job = ganforge(*LEARN, "--detach").out.strip()
    work = learner.take()
    learner.learn(work, 0, 5)
    note = CollapseNote(iteration=5, detail="all samples are alike")
    learner.coordinator.note_collapse(work.attempt_id, note)
    done = Completion(outcome=Outcome.SUCCEEDED, iteration=5, ending=EarlyEnd.COLLAPSED)
    learner.coordinator.complete(work.attempt_id, done)
    words = "the generator has collapsed at iteration 5 (all samples are alike): stop the job"
    followed = ganforge("jobs", "watch", job)
    assert followed.code == 0
    assert f"warning: {words}" in followed.err
    assert "is ended early, since its generator collapsed (stopOnCollapse)" in followed.err
    assert words in ganforge("jobs", "show", job).out


def test_jobs_are_edited_and_deleted(ganforge: CommandLine, client: Client) -> None:
    job_id = submitted(ganforge)
    told = ganforge(
        *f"jobs edit {job_id} --name best --priority 3 --max-iterations 7 --json".split()
    )
    assert (told.json["name"], told.json["priority"], told.json["maxIterations"]) == ("best", 3, 7)
    assert ganforge("jobs", "edit", job_id, "--max-iterations", "none", "--name", "").code == 0
    job = client.jobs.get(job_id)
    assert (job.name, job.max_iterations) == (None, None)
    assert "say what to change" in sentence(ganforge("jobs", "edit", job_id))
    assert "from 1 up" in sentence(ganforge("jobs", "edit", job_id, "--max-iterations", "many"))
    assert "cancel it" in sentence(ganforge("jobs", "delete", job_id))
    ganforge("jobs", "cancel", job_id)
    assert ganforge("jobs", "delete", job_id).out == f"{job_id} is deleted\n"


def test_tokens_are_made_listed_and_revoked(ganforge: CommandLine, server: LocalServer) -> None:
    told = ganforge("tokens", "create", "read", "ada", "--days", "1")
    token = told.out.strip()
    with Client(server.url, token=token) as ada:
        assert ada.tokens.own().role == "read"
    assert token not in told.err
    listed = ganforge("tokens", "list", "--json").json["items"]
    assert [one["principal"] for one in listed] == ["ada"]
    assert "ada" in ganforge("tokens", "list").out
    assert ganforge("tokens", "create", "learner", "bob", "--json").json["token"]
    revoked = ganforge("tokens", "revoke", listed[0]["id"])
    assert revoked.out == f"{listed[0]['id']} is revoked\n"
    assert ganforge("--token", token, "jobs", "list").code != 0
    assert "there is no token" in sentence(ganforge("tokens", "revoke", "nobody"))
