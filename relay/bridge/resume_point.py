"""Where a listener goes on: the id of the last event it dealt with, in a small file if it is to outlive it."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.errors import Misconfigured


@dataclass(slots=True)
class ResumePoint:
    """The place of one agent's listener."""

    agent: str
    file: Path | None  # None: it is forgotten with the listener
    last_id: str | None = None

    def keep(self, last_id: str) -> None:
        """Go on behind this event from now on. Raises Misconfigured when it cannot be written."""
        self.last_id = last_id
        if self.file is None:
            return
        new = self.file.with_name(self.file.name + ".new")
        try:
            new.write_text(json.dumps({"agent": self.agent, "last_event_id": last_id}) + "\n")
            new.replace(self.file)  # a listener that is killed meanwhile leaves the old one whole
        except OSError as error:
            raise Misconfigured(f"--state: cannot write {self.file}: {error.strerror}") from error


def load_resume_point(agent: str, file: Path | None) -> ResumePoint:
    """The place that *file* keeps for *agent*, or a new one. Raises Misconfigured for a file of anything else."""
    if file is None or not file.exists():
        return ResumePoint(agent, file)
    try:
        kept: Any = json.loads(file.read_bytes())
        owner, last_id = kept["agent"], kept["last_event_id"]
    except OSError as error:
        raise Misconfigured(f"--state: cannot read {file}: {os.strerror(error.errno or 0)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(f"--state: {file} is no file of ours") from error
    if owner != agent:
        raise Misconfigured(f"--state: {file} is the place of {owner}, not of {agent}")
    if not (isinstance(last_id, str) and last_id.isascii() and last_id.isprintable()):
        raise Misconfigured(f"--state: {file} is no file of ours")
    return ResumePoint(agent, file, last_id)
