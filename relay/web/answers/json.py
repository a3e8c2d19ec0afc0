"""Answers as JSON, written once and not validated again: what routes answer was made by us."""

from typing import Any

import orjson
from starlette.responses import Response


def json_answer(document: dict[str, Any], status: int = 200) -> Response:
    """*document* as the body of an answer."""
    return Response(orjson.dumps(document), status, media_type="application/json")
