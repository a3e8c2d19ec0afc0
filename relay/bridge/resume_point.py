"""The id of the last forwarded event, kept in a file across restarts."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relay.errors import Misconfigured


@dataclass(slots=True)
class ResumePoint:
    """The resume point of one agent's listener."""

    agent: str
    file: Path | None  # None: not kept across restarts
    last_id: str | None = None

    def keep(self, last_id: str) -> None:
        """Resume behind this event from now on. Raises Misconfigured: write failed."""
        self.last_id = last_id
        if self.file is None:
            return
        new = self.file.with_name(self.file.name + ".new")
        try:
            new.write_text(json.dumps({"agent": self.agent, "last_event_id": last_id}) + "\n")
            new.replace(self.file)  # atomic: a killed listener leaves the old file intact
        except OSError as error:
            raise Misconfigured(f"--state: cannot write {self.file}: {error.strerror}") from error


def load_resume_point(agent: str, file: Path | None) -> ResumePoint:
    """The resume point of *agent* in *file*, or a new one.

    Raises Misconfigured: the file is another agent's, or not a resume file.
    """
    if file is None or not file.exists():
        return ResumePoint(agent, file)
    try:
        kept: Any = json.loads(file.read_bytes())
        owner, last_id = kept["agent"], kept["last_event_id"]
    except OSError as error:
        raise Misconfigured(f"--state: cannot read {file}: {os.strerror(error.errno or 0)}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Misconfigured(f"--state: {file} is not a file of `mailseal listen`: name another") from error
    if owner != agent:
        raise Misconfigured(f"--state: {file} belongs to {owner}, not to {agent}: use one file per agent")
    if not (isinstance(last_id, str) and last_id.isascii() and last_id.isprintable()):
        raise Misconfigured(f"--state: {file} is not a file of `mailseal listen`: name another")
    return ResumePoint(agent, file, last_id)
