"""Log events are a stable vocabulary: literals in snake_case, listed in the operations document."""

import ast
import re
from collections import defaultdict

from tests.project.log_events import documented_events, log_calls, program_calls

LEVELS = {"exception": "error"}  # methods whose level has another name


def test_each_event_is_a_literal_in_snake_case():
    unfit = [
        where
        for where, call in program_calls()
        if not (
            call.args
            and isinstance(call.args[0], ast.Constant)
            and re.fullmatch(r"[a-z]+(_[a-z]+)+", call.args[0].value)
        )
    ]

    assert [] == unfit


def test_the_operations_document_lists_each_event_with_its_levels_and_no_other():
    found = defaultdict(set)
    for _, call in program_calls():
        found[call.args[0].value].add(LEVELS.get(call.func.attr, call.func.attr))

    assert documented_events() == dict(found)


def test_a_log_call_is_found_by_its_logger_and_method():
    source = 'log.info("a")\nself._log.error(name)\nself._ctx.log.debug("b")\nnode.info("c")\nlog.configure("d")'

    assert [1, 2, 3] == [call.lineno for call in log_calls(source)]
