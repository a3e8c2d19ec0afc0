"""JSON responses, not validated again: routes build valid documents."""

from typing import Any

import orjson
from starlette.responses import Response


def json_answer(document: dict[str, Any], status: int = 200) -> Response:
    """A response with *document* as its JSON body."""
    return Response(orjson.dumps(document), status, media_type="application/json")
