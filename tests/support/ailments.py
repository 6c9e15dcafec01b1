"""What an API server does while it is not well: it answers late, or refuses.

`support.fault_rig` has it done to the requests that a rule is about; nothing here sends
or forwards anything.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from aiohttp import web

from support.traps import Asked, Rule


def anything(_asked: Asked) -> bool:
    """Be about every request."""
    return True


@dataclass(eq=False, slots=True)
class Ailment:
    """A delay before each answer (seconds), and a refusal in its place (HTTP code)."""

    refusal: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    rule: Rule = anything
    asked: list[Asked] = field(default_factory=list)
    """All that came."""

    @property
    def answers(self) -> bool:
        """Tell whether it answers in the server's place."""
        return bool(self.refusal)

    @property
    def message(self) -> str:
        """Return what it says."""
        return f"the API server is ailing ({self.refusal})"

    async def hear(self, asked: Asked) -> web.Response | None:
        """Return what is answered; None: the server's own answer, late."""
        self.asked.append(asked)
        await asyncio.sleep(self.delay)
        if not self.answers:
            return None
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "code": self.refusal,
            "reason": HTTPStatus(self.refusal).phrase.replace(" ", ""),
            "message": self.message,
        }
        return web.Response(
            status=self.refusal,
            body=json.dumps(status).encode(),
            content_type="application/json",
            headers=self.headers,
        )
