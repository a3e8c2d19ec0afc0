"""Send queued letters to people (sign-in links, review requests); an interrupted letter is sent again."""

import random
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

import structlog

from relay.directory.sign_in import sign_in_link
from relay.jobs.worker import LOOK_SECONDS, Worker
from relay.outbound.context import SendContext
from relay.outbound.letters.notify import NO_COURIER, notify
from store.errors import StoreError, words_of
from store.outbound.letters_queue import claim_due_letters, next_letter_due
from store.records.people import Letter
from store.transaction import Tx
from store.wake import LETTERS

AT_ONCE: Final = 4
log = structlog.get_logger("relay.jobs")


class LetterRound(Worker[Letter]):
    """Sends letters to users and reviewers."""

    def __init__(
        self,
        send_context: SendContext,
        *,
        at_once: int = AT_ONCE,
        look_seconds: float = LOOK_SECONDS,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """*chance* returns random numbers in [0, 1)."""
        super().__init__(send_context, topic=LETTERS, at_once=at_once, look_seconds=look_seconds)
        self._chance = chance
        self._has_logged = False  # that this relay sends no letters

    def next_due(self, tx: Tx) -> datetime | None:
        """When the next letter is due."""
        return next_letter_due(tx)

    def claim(self, tx: Tx, limit: int, *, now: datetime) -> Sequence[Letter]:
        """Claim up to *limit* due letters."""
        return claim_due_letters(tx, limit=limit, lease=self._ctx.lease, now=now)

    async def send(self, item: Letter) -> None:
        """Send one letter and settle it."""
        try:
            result = await notify(item, ctx=self._ctx, sign_in=self._sign_in, jitter=self._chance())
            if result.why == NO_COURIER and not self._has_logged:
                self._has_logged = True
                log.warning("letters_disabled", reason=NO_COURIER)
        except StoreError as error:
            # Not settled: the letter is sent again when its lease ends.
            log.warning("letter_failed", letter_id=item.id, error=words_of(error))
        except Exception:
            log.exception("letter_failed", letter_id=item.id)

    def _sign_in(self, user_id: str, epoch: int, now: datetime) -> str:
        return sign_in_link(
            user_id,
            epoch=epoch,
            base_url=self._ctx.base_url,
            key=self._ctx.master.links,
            nonce=secrets.token_urlsafe(16),
            now=now,
        )
