"""The store's own page tells where each function is: it must be so."""

import importlib
import re
from pathlib import Path

import pytest

README = (Path(__file__).resolve().parents[2] / "store" / "README.md").read_text()
ROWS = re.findall(r"^\| (.*?) \| `([\w/]+)\.py` \|", README, re.MULTILINE)
NAMED = [(module, name) for names, module in ROWS for name in re.findall(r"`(\w+)`", names)]

# What the store offers by contract (§8), as it is called here.
PROMISED = re.findall(
    r"\w+",
    """
new_message_id validate_hitl_config bootstrap_user create_or_get_user get_user_by_id get_user_by_api_key
create_user_session get_user_session delete_user_session delete_expired_user_sessions
create_api_key list_api_keys delete_api_key ensure_shared_domain claim_or_create_domain
lookup_domain list_domains_by_user verify_domain has_agents_on_domain delete_domain
create_agent get_agent_by_id get_agent_by_email list_agents_by_user delete_agent
update_agent_mode update_agent_webhook update_agent_hitl create_inbound_message
get_inbound_message get_message_with_content update_message_delivery_status get_messages_by_agent
list_activity_by_agent lookup_conversation_id create_outbound_message create_pending_outbound_message apply
get_outbound_message_for_user list_pending_outbound_for_user resolve_outbound_owner
approve_and_send reject_pending expire_reject list_expired_pending expire_approve_and_send
delete_expired_messages export_user_data delete_user_data resolve_unconfirmed
""",
)


@pytest.mark.parametrize(("module", "name"), NAMED)
def test_every_function_is_where_the_page_says(module, name):
    assert callable(getattr(importlib.import_module(f"store.{module.replace('/', '.')}"), name))


def test_the_page_tells_of_everything_that_is_promised():
    assert set(PROMISED) <= {name for _, name in NAMED}
