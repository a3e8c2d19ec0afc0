"""Each import rule finds the fault it is there for."""

import copy
from pathlib import Path

import grimp
import pytest
from importlinter import api
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.layers import LayersContract

from tests.project.import_contracts import AllowListContract

ROOT = Path(__file__).resolve().parents[2]
TYPES = {"layers": LayersContract, "forbidden": ForbiddenContract, "allow_list": AllowListContract}

# The rule, the importing module, what it imports. A module that does not exist yet is one that somebody adds.
FAULTS = [
    ("layers", "relay.inbound.receive", "relay.outbound.submit"),
    ("layers", "relay.delivery.attempt", "relay.web.app"),
    ("layers", "relay.smtp.server", "relay.web.app"),
    ("layers", "relay.mail.parse", "relay.auth.verdict"),
    ("layers", "relay.signing.seal", "relay.directory.agents"),
    ("layers", "relay.wiring", "relay.cli.main"),
    ("layers", "relay.errors", "relay.settings"),
    ("layers", "relay.newcomer", "relay.errors"),
    ("store", "store.mail.queue", "relay.clock"),
    ("smtp", "relay.smtp.session", "relay.directory.agents"),
    ("libraries", "relay.checkup.disk", "sqlalchemy"),
    ("libraries", "relay.inbox.read", "psycopg"),
    ("libraries", "relay.newcomer.page", "fastapi"),
    ("libraries", "relay.outbound.couriers.smarthost", "boto3"),
    ("libraries", "relay.bridge.forward", "aiohttp"),
    ("libraries", "relay.smtp.shell", "aiosmtpd"),
    ("libraries", "relay.auth.spf", "dns"),
    ("libraries", "store.mail.messages", "structlog"),
    ("libraries", "relay.delivery.post", "requests"),
    ("world", "relay.mail.summary", "time"),
    ("world", "relay.signing.seal", "secrets"),
    ("world", "relay.outbound.compose.quoting", "random"),
    ("world", "store.mail.messages", "asyncio"),
    ("world", "relay.events.inbound", "os"),
]


@pytest.fixture(scope="module")
def rules(tmp_path_factory):
    """The contracts by id, and the graph of today's imports."""
    options = api.read_configuration(str(ROOT / ".importlinter"))
    session = options["session_options"]
    graph = grimp.build_graph(
        *session["root_packages"],
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=str(tmp_path_factory.mktemp("imports")),
    )
    made = {each["id"]: TYPES[each["type"]](each["name"], session, each) for each in options["contracts_options"]}
    return made, graph


def test_the_imports_of_today_keep_every_rule(rules):
    contracts, graph = rules

    broken = {
        name for name, contract in contracts.items() if not contract.check(copy.deepcopy(graph), verbose=False).kept
    }
    assert set() == broken


@pytest.mark.parametrize(("rule", "importer", "imported"), FAULTS)
def test_a_rule_finds_a_planted_import(rules, rule, importer, imported):
    contracts, graph = rules
    graph = copy.deepcopy(graph)
    for module in (importer, imported):
        if module not in graph.modules:
            is_ours = module.partition(".")[0] in {"relay", "store"}
            parent = module.rpartition(".")[0]
            if is_ours and parent not in graph.modules:
                graph.add_module(parent)
            graph.add_module(module, is_squashed=not is_ours)
    graph.add_import(importer=importer, imported=imported)

    assert not contracts[rule].check(graph, verbose=False).kept


def test_every_rule_has_a_planted_fault(rules):
    contracts, _ = rules

    assert set(contracts) == {rule for rule, _, _ in FAULTS}
