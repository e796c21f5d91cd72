"""Sets up a fresh machine: the virtual environments from their locks, and the Java archives.

Run by the system's Python, so nothing but the standard library is imported. Each step is stamped with what
it was made from: when nothing changed, nothing is started and nothing is downloaded. With the arguments
``lint`` and ``docs``, what only the checks or the documentation need is made too.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = PROJECT / "requirements"
VAR = PROJECT / "var"
REPORT = VAR / "setup.json"
SUPPORTED = ((3, 11), (3, 12))
STAMP = "made-from.sha256"
STILL_WORKING_SECONDS = 15
LOG_LINES = 20

ENVIRONMENTS = {".venv": "dev.txt", ".venv-emr": "emr.txt", ".venv-sagemaker": "sagemaker.txt"}
"""Airflow with all around it; what an EMR node carries; what SageMaker's XGBoost image carries."""
EXTRAS = {"lint": {".venv-lint": "lint.txt"}, "docs": {".venv-docs": "docs.txt"}}
"""What checks the templates, and what builds the documentation; neither the stack nor a run needs it."""

_PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
}
_DOWNLOADED = re.compile(r"^(?:Prepared|Downloaded) .* in (?:(\d+)m )?([\d.]+)(ms|s)", re.MULTILINE)


class SetupError(Exception):
    """Setting up failed; the message says what is missing and what brings it."""


@dataclass
class Step:
    """One thing to be made.

    :param stamp: file that tells what ``target`` was made from.
    :param source: whose content decides whether it is up to date.
    :param downloading: seconds of it that went into downloading; None when all of them.
    """

    name: str
    stamp: Path
    source: Sequence[Path]
    make: Callable[[Step], None]
    seconds: float = 0.0
    downloading: float | None = 0.0
    made: bool = field(default=False, init=False)

    @property
    def key(self) -> str:
        """What this step's result depends on."""
        digest = hashlib.sha256(f"{sys.version_info[:2]} {PROJECT}".encode())
        for path in self.source:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    @property
    def up_to_date(self) -> bool:
        """Whether it was made from the same before."""
        return self.stamp.is_file() and self.stamp.read_text() == self.key

    def run(self) -> None:
        """Make it, unless it is up to date."""
        if self.up_to_date:
            return
        begun = time.monotonic()
        self.stamp.unlink(missing_ok=True)
        self.make(self)
        self.stamp.parent.mkdir(parents=True, exist_ok=True)
        self.stamp.write_text(self.key)
        self.made = True
        self.seconds = time.monotonic() - begun
        if self.downloading is None:
            self.downloading = self.seconds
        _say(f"{self.name} ready after {self.seconds:.0f} s, {self.downloading:.0f} s of them downloading")


def steps(extras: Sequence[str] = ()) -> tuple[Step, list[list[Step]], Step]:
    """The installer itself, which comes first, chains that can run side by side, and what needs them all."""
    tools = PROJECT / ".venv-uv"
    environments = dict(ENVIRONMENTS)
    for extra in extras:
        environments |= EXTRAS[extra]
    first = Step("uv", tools / STAMP, [REQUIREMENTS / "uv.txt"], _make_tools)
    chains = [
        [Step(f"{name} ({lock})", PROJECT / name / STAMP, [REQUIREMENTS / lock], _synchronize)]
        for name, lock in environments.items()
    ]
    archives = [REQUIREMENTS / "jars.toml"]
    # Their resolver is part of the first environment.
    chains[0].append(Step("Java archives", VAR / "jars" / STAMP, archives, _bring_archives, downloading=None))
    last = Step(
        "class data archives",
        VAR / "jars" / "class-data" / STAMP,
        [*archives, REQUIREMENTS / ENVIRONMENTS[".venv-emr"]],
        _make_class_data,
    )
    return first, chains, last


def install(extras: Sequence[str] = ()) -> dict[str, float]:
    """Set up what is missing; seconds in all and seconds waited for downloads.

    :raises SetupError: says what is missing.
    """
    begun = time.monotonic()
    first, chains, last = steps(extras)
    todo = [step for step in (first, *itertools.chain(*chains), last) if not step.up_to_date]
    if todo:
        check_prerequisites()
        _say(f"making {', '.join(step.name for step in todo)}; logs in {VAR / 'logs'}")
        _run(first, chains, last)
    return {
        "setup_seconds": round(time.monotonic() - begun, 1),
        # Downloads run side by side: what was waited for is the longest of them.
        "download_seconds": round(
            (first.downloading or 0) + max(sum(step.downloading or 0 for step in c) for c in chains), 1
        ),
        **{f"{step.name} seconds": round(step.seconds, 1) for step in todo},
    }


def _run(first: Step, chains: Sequence[Sequence[Step]], last: Step) -> None:
    first.run()
    done = threading.Event()
    everything = [*itertools.chain(*chains), last]
    threading.Thread(target=_report_progress, args=(everything, done), daemon=True).start()
    try:
        with ThreadPoolExecutor(len(chains)) as pool:
            for finished in as_completed([pool.submit(_run_chain, chain) for chain in chains]):
                finished.result()
        last.run()
    finally:
        done.set()


def _run_chain(chain: Sequence[Step]) -> None:
    for step in chain:
        step.run()


def _report_progress(steps: Sequence[Step], done: threading.Event) -> None:
    while not done.wait(STILL_WORKING_SECONDS):
        names = [step.name for step in steps if not step.up_to_date]
        _say(f"still working on {', '.join(names)}")


def check_prerequisites(
    python: tuple[int, int] = sys.version_info[:2],
    have: Callable[[str], bool] | None = None,
) -> None:
    """Refuse a machine that lacks something, naming all that is missing and the package that brings it.

    :param have: whether the machine has ``venv``, ``compiler`` and ``headers``; looked up by default.
    :raises SetupError: something is missing.
    """
    have = have or _have
    version = f"{python[0]}.{python[1]}"
    if python not in SUPPORTED:
        raise SetupError(
            f"Python {version} can't run this; install 3.11 or 3.12 and name it: make PYTHON=python3.12 …"
        )
    packages = {
        "venv": ("Python's venv and ensurepip", f"python{version}-venv", f"python{version}"),
        "compiler": ("a C compiler", "gcc", "gcc"),
        "headers": ("Python's C headers (Python.h)", f"python{version}-dev", f"python{version}-devel"),
    }
    missing = [packages[name] for name in packages if not have(name)]
    if missing:
        lines = [
            f"  {what}: Debian, Ubuntu: apt install {deb}; Fedora: dnf install {rpm}"
            for what, deb, rpm in missing
        ]
        raise SetupError("\n".join(["this machine lacks", *lines]))


def _have(what: str) -> bool:
    if what == "venv":
        probe = subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False)
        return probe.returncode == 0
    if what == "headers":
        return (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file()
    compilers = [os.environ.get("CC", ""), sysconfig.get_config_var("CC") or "", "cc", "gcc"]
    return any(shutil.which(compiler.split()[0]) for compiler in compilers if compiler.split())


def _make_tools(step: Step) -> None:
    folder = step.stamp.parent
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    begun = time.monotonic()
    lock = str(REQUIREMENTS / "uv.txt")
    command = ["-m", "pip", "install", "--require-hashes", "--only-binary=:all:", "-r", lock]
    _command(step, [str(folder / "bin" / "python"), *command], os.environ)
    step.downloading = time.monotonic() - begun


def _synchronize(step: Step) -> None:
    folder = step.stamp.parent
    uv = str(PROJECT / ".venv-uv" / "bin" / "uv")
    environment = _uv_environment()
    python = str(folder / "bin" / "python")
    if not Path(python).exists() or _version_of(folder) != sys.version_info[:2]:
        shutil.rmtree(folder, ignore_errors=True)
        _command(step, [uv, "venv", "--python", sys.executable, str(folder)], environment)
    lock = str(step.source[0])
    # Bytecode is not compiled ahead: 17 s for every file, against 3 s for those that the first start needs.
    command = [uv, "pip", "sync", "--require-hashes", "--python", python, lock]
    output = _command(step, command, environment)
    step.downloading = downloading_seconds(output)


def _version_of(folder: Path) -> tuple[int, int]:
    match = re.search(r"^version(?:_info)? = (\d+)\.(\d+)", (folder / "pyvenv.cfg").read_text(), re.MULTILINE)
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _bring_archives(step: Step) -> None:
    environment = {**os.environ, "LOCAL_AWS_JARS": str(step.stamp.parent)}
    _command(step, [str(PROJECT / ".venv" / "bin" / "python"), "-m", "local_aws.jars"], environment)


def _make_class_data(step: Step) -> None:
    """Half a minute once, for Spark and Livy to start in half the time ever after."""
    environment = {**os.environ, "LOCAL_AWS_JARS": str(step.stamp.parent.parent)}
    _command(step, [str(PROJECT / ".venv" / "bin" / "python"), "-m", "local_aws.emr.archives"], environment)


def downloading_seconds(output: str) -> float:
    """The time uv says it spent on fetching and building, from its output."""
    seconds = 0.0
    for minutes, amount, unit in _DOWNLOADED.findall(output):
        seconds += int(minutes or 0) * 60 + float(amount) / (1000 if unit == "ms" else 1)
    return seconds


def _uv_environment() -> dict[str, str]:
    """This environment, with pip's configuration, from its files and variables, told to uv."""
    pip = [str(PROJECT / ".venv-uv" / "bin" / "python"), "-m", "pip", "config", "list"]
    listing = subprocess.run(pip, capture_output=True, text=True, check=False).stdout
    return {**os.environ, **uv_variables(listing, os.environ)}


def uv_variables(pip_config: str, environ: Mapping[str, str]) -> dict[str, str]:
    """uv's variables for what ``pip config list`` shows, as far as they are not set already."""
    found: dict[str, str] = {}
    for line in pip_config.splitlines():
        name, _, value = line.partition("=")
        option, value = name.rpartition(".")[2], value.strip("'\"")
        variable = _PIP_TO_UV.get(option)
        if variable is None or variable in environ:
            continue
        if option == "find-links":
            value = ",".join(part for part in value.split() if "://" in part or Path(part).is_dir())
        if value:
            found[variable] = " ".join(value.split("\\n")).strip()
    return found


def _command(step: Step, command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command, its output in the step's log too.

    :raises SetupError: it failed; with its last lines.
    """
    log = VAR / "logs" / f"setup-{re.sub('[^a-z]+', '-', step.name.lower()).strip('-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        command,
        env=dict(environment),
        cwd=PROJECT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n{done.stdout}")
    if done.returncode:
        last = "\n".join(f"  {line}" for line in done.stdout.splitlines()[-LOG_LINES:])
        raise SetupError(f"{step.name} failed, exit status {done.returncode}; the end of {log}:\n{last}")
    return done.stdout


def _say(line: str) -> None:
    print(f"setup: {line}", flush=True)


def main(arguments: Sequence[str] = ()) -> int:
    """Set up and note the time it took; the exit status.

    :param arguments: ``lint`` and ``docs`` for what only these need.
    """
    try:
        report = install([extra for extra in EXTRAS if extra in arguments])
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report))
    if report["setup_seconds"] >= 1:
        downloading = f"{report['download_seconds']:.0f} s of them downloading"
        _say(f"done after {report['setup_seconds']:.0f} s, {downloading}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
