"""Run the fuzz targets with atheris, which looks for inputs that reach new branches.

``python -m tests.fuzz.long_run [--seconds N] [TARGET...]``. Each target runs in a process of its own. An input that
breaks a target is written to build/fuzz/TARGET, and its traceback is printed; give that file's path after the one
target to run it alone.
"""

import argparse
import importlib.util
import subprocess
import sys
from pathlib import Path

BUILD = Path(__file__).parents[2] / "build" / "fuzz"
CHOICES = bytes(range(17, 41))  # what the choices of a sample are taken from
LARGEST = 6000  # bytes of an input; a target repeats a part of it where size matters
MISSING = "atheris has no wheel for this Python: only the hypothesis form of the fuzz targets ran\n"


def main() -> int:
    """Run each named target, all without names; 1 if one of them fell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("targets", nargs="*")
    given = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write(MISSING)
        return 0
    from tests.fuzz.targets import TARGETS

    fallen = [name for name in given.targets or TARGETS if not _holds(name, given.seconds)]
    sys.stdout.write(f"targets that fell: {', '.join(fallen) or 'none'}\n")
    return int(bool(fallen))


def _holds(name: str, seconds: int) -> bool:
    """Whether *name* holds for all inputs of a run of *seconds*."""
    corpus = BUILD / name
    corpus.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={seconds}", f"-artifact_prefix={corpus}/fallen-", f"-max_len={LARGEST}", "-timeout=60"]
    command = [sys.executable, "-c", f"from tests.fuzz.long_run import fuzz; fuzz({name!r})", *options, str(corpus)]
    return subprocess.run(command, check=False).returncode == 0


def fuzz(name: str) -> None:
    """Fuzz the target *name* in this process, which ends then."""
    import atheris

    with atheris.instrument_imports(include=["relay", "store", "tests.cost"]):
        from tests.fuzz.samples import TOKENS, samples
        from tests.fuzz.targets import TARGETS

    corpus = BUILD / name
    for number, sample in enumerate([*samples(name), b"".join(TOKENS[name]), *TOKENS[name]]):
        (corpus / f"sample-{number}").write_bytes(sample[: LARGEST - len(CHOICES)] + CHOICES)
        (corpus / f"sample-{number}-other").write_bytes(sample[: LARGEST - len(CHOICES)] + CHOICES[::-1])
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
