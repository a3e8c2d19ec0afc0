"""What a worker process has from its supervisor."""

import socket
from dataclasses import dataclass

from relay.settings import Settings
from relay.systemd import Sockets
from relay.worker_part import WorkerPart


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerRole:
    """The part of one worker."""

    part: WorkerPart
    settings: Settings  # in use, also after a reload
    sockets: Sockets  # that all workers accept from
    channel: socket.socket  # to the supervisor; it ends when the supervisor does
