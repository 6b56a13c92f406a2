#!/usr/bin/env python3
"""The one door for users and developers: sets up what is needed, then runs what was asked.

Standard library only, so that it runs before anything is installed. ``python3 run.py help`` tells
the commands.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
CONSTRAINTS = ROOT / "constraints.txt"
STAMP = VENV / "ganforge-setup"
CUDA_GIGABYTES = 3.0  # torch 2.13 and what it needs, as pip downloads them

HELP = """usage: python3 run.py [--cuda] COMMAND [ARGUMENTS]

  demo    train a GAN on real digits: weights, a sample grid and a time-lapse in ./demo
  up      start coordinator, repository and one learner on this machine
  test    run the tests (further arguments go to pytest)
  check   lint, types and import walls
  bench   run a benchmark of bench/ by its name; without one, list them
  chaos   break things under a coordinator for a while, and check what it promises
  docs    check that the documentation's links and commands are true
  setup   only install

Any other command is handed to `ganforge`: learn, jobs, weights, sample and more, as in
python3 run.py jobs list; `python3 run.py learn --help` and the like tell about each

  --cuda  install the CUDA build of torch (Linux: downloads about 3 GB); CPU otherwise
"""


def main(arguments: list[str]) -> int:
    """Set up, then run the command; gives its exit code."""
    if sys.version_info < (3, 11):  # noqa: UP036 - older ones come this far, to be told
        print(f"ganforge needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
        return 2
    cuda = "--cuda" in arguments[:1]
    arguments = arguments[1:] if cuda else arguments
    command, rest = (arguments[0], arguments[1:]) if arguments else ("help", [])
    if command in ("help", "-h", "--help"):
        print(HELP, end="")
        return 0
    try:
        set_up(
            "dev" if command in ("test", "check", "bench", "chaos", "docs") else "all", cuda=cuda
        )
        return run(command, rest)
    except subprocess.CalledProcessError as error:
        print(f"run.py: this failed: {' '.join(map(str, error.cmd))}", file=sys.stderr)
        return error.returncode or 1


def run(command: str, rest: list[str]) -> int:
    """Run one command in the environment that ``set_up`` made."""
    if command == "setup":
        return 0
    if command == "test":
        return call("-m", "pytest", *rest)
    if command == "check":
        return check()
    if command == "bench":
        return bench(rest)
    if command == "chaos":
        return module("tests.chaos", *rest)
    if command == "docs":
        return call("-m", "pytest", "tests/docs", *rest)
    return call("-m", "ganforge", command, *rest)


def check() -> int:
    """Run every check, also when one before it failed."""
    checks = (
        ("-m", "ruff", "format", "--check", "."),
        ("-m", "ruff", "check", "."),
        ("-m", "mypy"),
        ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
    )
    return max(call(*words) for words in checks)


def bench(rest: list[str]) -> int:
    """Run ``bench/NAME.py``, or list the names."""
    names = sorted(path.stem for path in (ROOT / "bench").glob("*.py"))
    if not rest or rest[0] not in names:
        print("usage: python3 run.py bench NAME [ARGUMENTS]; names:", ", ".join(names))
        return 2 if rest else 0
    return module(f"bench.{rest[0]}", *rest[1:])


def module(name: str, *words: str) -> int:
    """Run a module of this folder, which may import others of it."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return call("-m", name, *words)


def call(*words: str) -> int:
    """Run the environment's Python; Ctrl-C is the child's to handle."""
    process = subprocess.Popen([str(PYTHON), *words], env=environment())
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def environment() -> dict[str, str]:
    """Give the environment to run in: its programs first, its bytecode kept.

    Nothing was compiled when it was installed, so what is imported must be kept when it is: torch
    takes five seconds to import without its bytecode, and below two with it.
    """
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    kept = {"PATH": path, "PYTHONPYCACHEPREFIX": str(VENV / "bytecode")}
    given = {key: os.environ[key] for key in os.environ if key != "PYTHONDONTWRITEBYTECODE"}
    return {**given, **kept}


def set_up(extra: str, *, cuda: bool) -> None:
    """Install what ``extra`` needs, once: a stamp in the environment remembers it."""
    stamp = STAMP.read_text().split() if STAMP.exists() else []
    wanted = fingerprint()
    if (
        stamp[:1] == [wanted]
        and (extra in stamp or "dev" in stamp)
        and (not cuda or "cuda" in stamp)
    ):
        return
    keep_cuda = cuda or "cuda" in stamp
    say(f"Setting up in {VENV} (once; a few minutes).")
    if not PYTHON.exists():
        make_environment()
    install_torch(cuda=keep_cuda)
    pip("install", "--editable", f"{ROOT}[{extra}]")
    STAMP.write_text(" ".join([wanted, extra, *(["cuda"] if keep_cuda else [])]))


def fingerprint() -> str:
    """Name what an installation depends on."""
    digest = hashlib.sha256(sys.version.encode())
    for path in (CONSTRAINTS, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_environment() -> None:
    """Make the virtual environment; where Python comes without ensurepip, pip reaches into it."""
    command = [sys.executable, "-m", "venv", str(VENV)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        shutil.rmtree(VENV, ignore_errors=True)
        subprocess.run([*command, "--without-pip"], check=True)


def install_torch(*, cuda: bool) -> None:
    """Install torch first: the CPU build by default, since Linux's default is CUDA's."""
    version = pinned("torch")
    if cuda or sys.platform != "linux":
        if cuda and sys.platform == "linux":
            say(f"Fetching the CUDA build of torch: about {CUDA_GIGABYTES} GB.")
        pip("install", f"torch=={version}")
        return
    cpu = f"torch=={version}+cpu"
    say(f"Installing {cpu} (about 0.2 GB).")
    if pip("install", cpu, check=False, quiet=True) == 0:
        return
    # uv knows by itself where PyTorch keeps its CPU builds.
    pip("install", "uv")
    uv = [str(BIN / "uv"), "pip", "install", "--python", str(PYTHON), "--torch-backend", "cpu"]
    subprocess.run([*uv, "--constraint", str(CONSTRAINTS), f"torch=={version}"], check=True)


def pinned(name: str) -> str:
    """Read a version from the constraints."""
    for line in CONSTRAINTS.read_text().splitlines():
        if line.startswith(f"{name}=="):
            return line.split("==")[1].split("+")[0].strip()
    raise SystemExit(f"constraints.txt does not pin {name}")


def pip(*words: str, check: bool = True, quiet: bool = False) -> int:
    """Run pip with the committed constraints."""
    outside = not any(VENV.glob("lib*/**/site-packages/pip"))
    command = [sys.executable if outside else str(PYTHON), "-m", "pip"]
    command += ["--python", str(PYTHON)] if outside else []
    command += ["--disable-pip-version-check", *words]
    # Compiling all of torch to bytecode takes longer than compiling what is imported.
    command += ["--constraint", str(CONSTRAINTS), "--no-compile", "--quiet"]
    sink = subprocess.DEVNULL if quiet else None
    return subprocess.run(command, check=check, stderr=sink).returncode


def say(text: str) -> None:
    """Talk to the user, beside the data."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
