import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from tests.mail.letters import multipart

# A process of its own: only there does the peak belong to this one mail. Not getrusage, whose
# peak a new program inherits from the process that started it.
READ = """
import re, sys
from pathlib import Path
from relay.mail.parse import parse

def peak():
    return 1024 * int(re.search("VmHWM:\\\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1])

raw = Path(sys.argv[1]).read_bytes()
before = peak()
parse(raw)
print(before, peak())
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from Linux's /proc")
def test_a_large_mail_costs_little_beside_itself(tmp_path):
    line = b64encode(bytes(range(57))) + b"\r\n"
    file = b"Content-Type: application/zip; name=a.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    raw = multipart(b"\r\nhi", file + line * 330_000)
    (tmp_path / "large.eml").write_bytes(raw)
    run = subprocess.run(
        [sys.executable, "-c", READ, tmp_path / "large.eml"], capture_output=True, text=True, check=True
    )
    before, after = (int(word) for word in run.stdout.split())

    assert after - before < len(raw) / 2
