"""``python -m tests.siege.attacker NAME``: run one attack on the aim that comes on standard input; print what was done."""

import json
import os
import resource
import sys

import uvloop

from tests.siege.aim import Aim
from tests.siege.attacks import ATTACKS


def main() -> None:
    """Run the named attack."""
    os.nice(10)  # it gives way to the relay: it stands for another machine
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    aim = Aim.from_json(sys.stdin.read())
    uvloop.run(ATTACKS[sys.argv[1]].run(aim))
    print(json.dumps(aim.done))


if __name__ == "__main__":
    main()
