"""What clients need to know of a relay under faults: its daemons, its agents, and the step at which one dies."""

import asyncio
from random import Random

from tests.faults.forked import ForkedDaemon

HOOK, BOT, WRITER = "hook@agents.example", "bot@agents.example", "writer@agents.example"
OUTER_STEPS = (
    "smtp: MAIL is answered",
    "smtp: RCPT is answered",
    "smtp: DATA is answered",
    "smtp: half of the mail is sent",
    "smtp: the dot is sent",
    "smtp: the dot is answered",
    "webhook: the request came",
    "webhook: the answer is sent",
    "provider: MAIL came",
    "provider: DATA came",
    "provider: the dot came",
    "provider: 250 is sent",
    "http: send is asked",
    "http: send is answered",
    "http: lease is asked",
    "http: lease is answered",
    "http: ack is asked",
    "http: ack is answered",
)
_AFTER_SECONDS = 0.004  # a request that was written has come


class Places:
    """The daemons of one relay; clients take any that listens."""

    def __init__(self, daemons: list[ForkedDaemon], *, key: str) -> None:
        self.daemons = daemons
        self.key = key
        self._armed: str | None = None
        self.was_reached = asyncio.Event()

    async def any_daemon(self, dice: Random) -> ForkedDaemon:
        """A daemon that listens, once there is one."""
        while not (ready := [each for each in self.daemons if each.is_ready]):  # noqa: ASYNC110 (processes)
            await asyncio.sleep(0.02)
        return dice.choice(ready)

    def arm(self, step: str | None) -> None:
        """Kill the daemon that comes to *step* next; all of them where the side cannot tell which one it is."""
        self._armed = step
        self.was_reached.clear()

    def at(self, step: str, daemon: ForkedDaemon | None = None) -> None:
        """A client or peer came to *step*."""
        if step != self._armed:
            return
        self._armed = None
        for each in [daemon] if daemon else self.daemons:
            each.kill()
        self.was_reached.set()

    def later(self, step: str, daemon: ForkedDaemon) -> None:
        """A client comes to *step* in a moment, while it waits for the reply."""
        if step == self._armed:
            asyncio.get_running_loop().call_later(_AFTER_SECONDS, self.at, step, daemon)
