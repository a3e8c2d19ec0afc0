import asyncio
import shutil
import sys
import tomllib
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import bindparam, text
from sqlalchemy.exc import IntegrityError

from store.database import migrate
from store.database.connect import open_engine, sqlite_url
from store.directory.domain_records import take_due_domains
from store.engine import Store
from store.errors import Unavailable, Unusable
from store.schema.inbound import metadata
from store.types import UtcDateTime
from tests.databases import new_database
from tests.store.shapes import shape

ROOT = Path(__file__).resolve().parents[3]

UPGRADE = """
import sys
from store.database import migrate
from store.database.connect import open_engine
engine = open_engine(sys.argv[1])
migrate.upgrade(engine)
assert migrate.state(engine).is_current
print(migrate.migrations_folder())
"""


@pytest.fixture
def empty_postgres_urls(postgres, empty_postgres_url):
    with new_database(postgres) as another:
        yield [empty_postgres_url, another]


@pytest.fixture
def empty_sqlite_urls(tmp_path):
    return [sqlite_url(tmp_path / name) for name in ("one.db", "two.db")]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_engines(request):
    """Two empty databases of one kind."""
    kind = "sqlite" if request.param == "sqlite" else "postgres"
    engines = [open_engine(url) for url in request.getfixturevalue(f"empty_{kind}_urls")]
    yield engines
    for engine in engines:
        engine.dispose()


@pytest.fixture
def engine(store):
    """A migrated database."""
    return store.engine


async def run_upgrade(url, *, path=ROOT, cwd=ROOT):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        UPGRADE,
        url,
        cwd=cwd,
        env={"PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, complaint = await process.communicate()
    return process.returncode, out.decode().strip(), complaint.decode()


# The chain makes what the schema declares


def test_the_chain_makes_the_very_shape_that_is_declared(empty_engines):
    by_chain, declared = empty_engines
    migrate.upgrade(by_chain)
    with declared.begin() as connection:
        metadata.create_all(connection)

    assert shape(declared) == shape(by_chain)


def test_alembic_finds_nothing_left_to_do(engine):
    # On SQLite Alembic takes '' and "" for two defaults; there the shapes beside each other have to do.
    options = {"compare_type": True, "compare_server_default": engine.dialect.name != "sqlite"}
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts=options)
        found = compare_metadata(context, metadata)

    if engine.dialect.name == "sqlite":
        # Nor does SQLAlchemy read what a foreign key behind its column does on delete; again the shapes do.
        found = [change for change in found if change[0] not in {"add_fk", "remove_fk"}]
    assert [] == found


def test_the_chain_has_one_end_and_one_beginning():
    script = ScriptDirectory(str(migrate.migrations_folder()))

    assert (1, 1) == (len(script.get_heads()), len(script.get_bases()))


def timed(statement: str):
    """*statement* with its time, if it has one, bound as the schema's own columns bind it."""
    typed = [bindparam("now", type_=UtcDateTime())] if ":now" in statement else []
    return text(statement).bindparams(*typed)


USER = "INSERT INTO users (id, email, subject, created_at) VALUES ('usr_1', 'a@a.example', 's', :now)"
DOMAIN = "INSERT INTO domains (name, created_at) VALUES ('a.example', :now)"
AGENT = (
    "INSERT INTO agents (address, user_id, domain, mode, events, created_at)"
    " VALUES ('a@a.example', 'usr_1', 'a.example', 'poll', '[]', :now)"
)
CLAIM = "INSERT INTO domain_claims (domain, user_id, token, created_at) VALUES ('a.example', 'usr_1', 'token', :now)"
BODY = "INSERT INTO bodies (sha256, size, created_at) VALUES ('00', 0, :now)"
MESSAGE = (
    "INSERT INTO messages (id, agent, seq, direction, status, recipient, raw_sha256, received_at, expires_at, visible_at)"
    " VALUES ('msg_1', 'a@a.example', 1, 'inbound', 'unread', 'a@a.example', '00', :now, :now, :now)"
)
DELIVERY = (
    "INSERT INTO deliveries (id, event_id, event_type, agent, message_id, status, due_at, created_at)"
    " VALUES ('dlv_1', 'evt_1', 'email.received', 'a@a.example', 'msg_1', 'pending', :now, :now)"
)
ROWS = (USER, DOMAIN, AGENT, BODY, MESSAGE, DELIVERY)


@pytest.fixture
def now(clock):
    return {"now": clock.now()}


@pytest.fixture
def filled(engine, now):
    """A connection in a transaction with a row in every table that has rules."""
    with engine.connect() as connection:
        for row in ROWS:
            connection.execute(timed(row), now)
        yield connection


REFUSED = [
    "UPDATE domains SET is_shared = true",  # and not verified
    "UPDATE domains SET is_shared = true, verified_at = created_at, user_id = 'usr_1'",
    "UPDATE agents SET mode = 'push'",
    "UPDATE agents SET mode = 'webhook'",  # without a URL
    "UPDATE agents SET on_unverified = 'drop'",
    "UPDATE agents SET hitl_ttl_seconds = 0",
    "UPDATE agents SET hitl_ttl_seconds = 604801",
    "UPDATE agents SET hitl_expiration_action = 'ask'",
    "UPDATE agents SET user_id = NULL",
    "UPDATE agents SET domain = NULL",
    "UPDATE agents SET user_id = 'usr_404'",
    "UPDATE agents SET domain = 'b.example'",
    "UPDATE bodies SET size = -1",
    "UPDATE messages SET direction = 'sideways'",
    "UPDATE messages SET status = 'sent'",  # of an inbound one
    "UPDATE messages SET direction = 'outbound', status = 'unread'",
    "UPDATE messages SET direction = 'outbound', status = 'pending_approval'",  # and no end of it
    "UPDATE messages SET direction = 'outbound', status = 'sending', send_until = expires_at",  # and no attempt
    "UPDATE messages SET direction = 'outbound', status = 'sending', send_attempt = 'a'",  # for ever
    "UPDATE messages SET raw_size = -1",
    "UPDATE messages SET seq = 0",
    "UPDATE messages SET leases = -1",
    "UPDATE messages SET raw_sha256 = '11'",
    "UPDATE deliveries SET status = 'lost'",
    "UPDATE deliveries SET attempts = -1",
    "UPDATE deliveries SET message_id = 'msg_404'",
    "DELETE FROM bodies",  # a message has it
    "DELETE FROM domains",  # an agent lives there
    USER,
    DOMAIN,
    MESSAGE.replace("msg_1", "msg_2"),  # the agent's sequence number again
    DELIVERY.replace("dlv_1", "dlv_2"),  # the event again
]
TAKEN = [
    "UPDATE domains SET is_shared = true, verified_at = created_at",
    "UPDATE agents SET mode = 'webhook', webhook_url = 'https://hooks.example/'",
    "UPDATE agents SET on_unverified = 'reject'",
    "UPDATE agents SET hitl_ttl_seconds = 1",
    "UPDATE agents SET hitl_ttl_seconds = 604800",
    "UPDATE agents SET hitl_expiration_action = 'approve'",
    "UPDATE messages SET direction = 'outbound', status = 'pending_approval', hold_expires_at = expires_at",
    "UPDATE messages SET direction = 'outbound', status = 'queued', provider_message_id = '0100'",
    "UPDATE messages SET status = 'read'",
    "UPDATE deliveries SET status = 'dead'",
    "UPDATE deliveries SET event_type = 'email.opened'",  # the program knows the event types, the database any
    "UPDATE deliveries SET message_id = NULL",
    MESSAGE.replace("msg_1", "msg_2").replace(", 1,", ", 2,"),
    "DELETE FROM users WHERE id = 'usr_404'",
]


@pytest.mark.parametrize("statement", REFUSED)
def test_the_database_refuses(filled, now, statement):
    with pytest.raises(IntegrityError):
        filled.execute(timed(statement), now)


@pytest.mark.parametrize("statement", TAKEN)
def test_the_database_takes(filled, now, statement):
    filled.execute(timed(statement), now)  # and raises nothing


def test_what_an_agent_had_goes_with_it(filled):
    filled.execute(text("DELETE FROM agents"))

    left = {
        table: filled.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
        for table in ("messages", "deliveries")
    }
    assert {"messages": 0, "deliveries": 0} == left


def test_a_user_who_goes_takes_agents_along_and_leaves_the_domain(filled):
    filled.execute(text("UPDATE domains SET user_id = 'usr_1', verified_at = created_at"))
    filled.execute(text("DELETE FROM users"))

    assert [(None,)] == filled.execute(text("SELECT user_id FROM domains")).all()
    assert 0 == filled.execute(text("SELECT count(*) FROM agents")).scalar_one()


# From one release to the next, and back

SCRIPT = ScriptDirectory(str(migrate.migrations_folder()))
REVISIONS = [revision.revision for revision in reversed(list(SCRIPT.walk_revisions()))]
OLDER = REVISIONS[:-1]
LONG_KEY = (
    "INSERT INTO api_keys (id, user_id, name, key_hash, prefix, created_at)"
    f" VALUES ('key_1', 'usr_1', '{'n' * 1000}', 'h', 'mk_', :now)"
)


def dump(engine, tables):
    """All rows of *tables*, as far as their columns go."""
    with engine.connect() as connection:
        return {
            table: sorted(map(str, connection.execute(text(f"SELECT {', '.join(columns)} FROM {table}")).all()))
            for table, columns in tables.items()
        }


@pytest.mark.parametrize("revision", OLDER)
def test_a_store_of_an_earlier_release_is_brought_up_with_everything_in_it(empty_engines, now, revision):
    engine = empty_engines[0]
    migrate.upgrade(engine, to=revision)
    with engine.begin() as connection:
        for row in ROWS:
            connection.execute(timed(row), now)
    columns = {table: [f'"{name}"' for name in found["columns"]] for table, found in shape(engine).items()}
    before = dump(engine, columns)

    migrate.upgrade(engine)

    assert before == dump(engine, columns)
    assert {"users": 1, "messages": 1, "deliveries": 1} == {
        table: len(rows) for table, rows in before.items() if table in {"users", "messages", "deliveries"}
    }


def test_a_key_with_a_name_from_before_there_was_a_limit_does_not_stop_the_upgrade(empty_engines, now):
    engine = empty_engines[0]
    migrate.upgrade(engine, to="0001")
    with engine.begin() as connection:
        for row in (USER, LONG_KEY):
            connection.execute(timed(row), now)

    migrate.upgrade(engine)

    with engine.connect() as connection:
        assert 200 == len(connection.execute(text("SELECT name FROM api_keys")).scalar_one())


def test_a_domain_that_was_claimed_in_an_earlier_release_is_looked_at_soon(empty_engines, now):
    engine = empty_engines[0]
    migrate.upgrade(engine, to="0002")
    with engine.begin() as connection:
        for row in (USER, DOMAIN, CLAIM):
            connection.execute(timed(row), now)

    migrate.upgrade(engine)

    store = Store(engine)
    assert ["a.example"] == [
        found.domain
        for found in store.run(lambda tx: take_due_domains(tx, limit=9, lease=timedelta(minutes=1), now=now["now"]))
    ]


def test_keys_of_an_earlier_release_keep_what_they_could_do(empty_engines, now):
    engine = empty_engines[0]
    migrate.upgrade(engine, to="0005")
    before = ["read", "send", "admin", "read,send", "read,admin", "send,admin", "read,send,admin"]
    with engine.begin() as connection:
        connection.execute(timed(USER), now)
        for scopes in before:
            row = (
                "INSERT INTO api_keys (id, user_id, name, scopes, key_hash, prefix, created_at)"
                f" VALUES ('key_{scopes}', 'usr_1', 'n', '{scopes}', 'h{scopes}', 'mk_', :now)"
            )
            connection.execute(timed(row), now)

    migrate.upgrade(engine)

    # With `read` alone a key could lease, acknowledge and mark: that is `work` now.
    expected = ["read,work", "send", "admin", "read,work,send", "read,work,admin", "send,admin", "read,work,send,admin"]
    with engine.connect() as connection:
        found = {each.id: each.scopes for each in connection.execute(text("SELECT id, scopes FROM api_keys"))}
        assert expected == [found[f"key_{scopes}"] for scopes in before]
        connection.execute(text("UPDATE api_keys SET scopes = 'work' WHERE id = 'key_send'"))
        with pytest.raises(IntegrityError):
            connection.execute(text("UPDATE api_keys SET scopes = 'work,read'"))


def opened(connection, now):
    """Store a delivery of an event type that no release has."""
    with connection.begin():
        connection.execute(timed(DELIVERY.replace("_1'", "_2'", 2).replace("email.received", "email.opened")), now)


def test_a_store_of_an_earlier_release_takes_new_event_types_once_it_is_brought_up(empty_engines, now):
    engine = empty_engines[0]
    migrate.upgrade(engine, to="0004")
    with engine.connect() as before:  # of another process, and older than the change
        with before.begin():
            for row in ROWS:
                before.execute(timed(row), now)
        with pytest.raises(IntegrityError, match="event_type_check"):
            opened(before, now)

        migrate.upgrade(engine)
        opened(before, now)

    with engine.connect() as connection:
        found = connection.execute(text("SELECT event_type FROM deliveries ORDER BY id")).scalars().all()
        with pytest.raises(IntegrityError):
            connection.execute(text("UPDATE deliveries SET status = 'lost'"))
    assert ["email.received", "email.opened"] == found


def test_a_file_whose_schema_was_edited_is_whole_and_no_longer_editable(empty_sqlite_urls, now):
    engine = open_engine(empty_sqlite_urls[0])
    migrate.upgrade(engine, to="0004")
    with engine.begin() as connection:
        for row in ROWS:
            connection.execute(timed(row), now)

    migrate.upgrade(engine)

    with engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {pragma}").scalar() for pragma in ("integrity_check", "writable_schema")
        ]
    engine.dispose()
    assert ["ok", 0] == pragmas


def test_a_table_that_was_changed_by_hand_is_left_as_it_is(empty_sqlite_urls):
    engine = open_engine(empty_sqlite_urls[0])
    migrate.upgrade(engine, to="0004")
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE delivery_attempts")
        connection.exec_driver_sql("DROP TABLE deliveries")
        rule = "CONSTRAINT deliveries_event_type_check CHECK (event_type <> '')"
        connection.exec_driver_sql(f"CREATE TABLE deliveries (event_type TEXT {rule})")

    with pytest.raises(Unavailable) as refused:
        migrate.upgrade(engine)

    assert "changed by hand" in str(refused.value.__cause__)
    assert "0004" == migrate.state(engine).found
    engine.dispose()


@pytest.mark.parametrize(("older", "newer"), list(pairwise(REVISIONS)))
def test_what_a_release_reads_and_writes_is_still_there_in_the_next(empty_engines, now, older, newer):
    for engine, revision in zip(empty_engines, (older, newer), strict=True):
        migrate.upgrade(engine, to=revision)
    before, after = (shape(engine) for engine in empty_engines)

    for table, found in before.items():
        columns = after[table]["columns"]
        assert found["columns"] == {name: columns[name] for name in found["columns"]}
        assert found["unique"] == after[table]["unique"], "a new one would refuse what the release before writes"
        added = [columns[name] for name in columns if name not in found["columns"]]
        assert all(nullable or default is not None for _, nullable, default, _ in added)
    with empty_engines[1].begin() as connection:
        for row in ROWS:  # written as that release writes them
            connection.execute(timed(row), now)


# Where a database stands


def test_an_empty_database_has_no_revision(empty_engines):
    found = migrate.state(empty_engines[0])

    assert (None, False, False) == (found.found, found.is_current, found.is_newer)


def test_a_migrated_database_is_current(engine):
    found = migrate.state(engine)

    assert (found.wanted, True, False) == (found.found, found.is_current, found.is_newer)


def test_a_database_of_a_later_release_is_newer(empty_engines):
    migrate.upgrade(empty_engines[0])
    with empty_engines[0].begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    found = migrate.state(empty_engines[0])

    assert ("9999", False, True) == (found.found, found.is_current, found.is_newer)


def test_a_database_is_current_after_the_upgrade_and_after_another(empty_engines):
    for _ in range(2):
        migrate.upgrade(empty_engines[0])

    assert migrate.state(empty_engines[0]).is_current


@pytest.mark.parametrize("ask", [migrate.state, migrate.upgrade])
@pytest.mark.parametrize("url", ["sqlite:////no/such/folder/mailseal.db", "postgresql://nobody@127.0.0.1:{port}/mail"])
def test_a_database_that_cannot_be_opened_is_unavailable(ask, url, unused_tcp_port):
    with pytest.raises((Unavailable, Unusable)):
        ask(open_engine(url.format(port=unused_tcp_port)))


def test_a_file_that_is_no_database_is_unusable(tmp_path):
    (tmp_path / "mailseal.db").write_bytes(b"no database " * 500)

    with pytest.raises(Unusable, match="file is not a database"):
        migrate.state(open_engine(sqlite_url(tmp_path / "mailseal.db")))


def test_an_upgrade_that_fails_leaves_nothing_behind(empty_engines):
    engine = empty_engines[0]
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE deliveries (somebody_elses INTEGER)"))

    with pytest.raises(Unavailable):
        migrate.upgrade(engine)

    assert {"deliveries"} == set(shape(engine))
    assert migrate.state(engine).found is None


# Several at once, and installed


async def test_several_processes_may_upgrade_at_once(empty_engines):
    url = empty_engines[0].url.set(drivername=empty_engines[0].dialect.name).render_as_string(hide_password=False)

    ends = await asyncio.gather(*[run_upgrade(url) for _ in range(3)])

    assert [(0, "")] * 3 == [(code, complaint) for code, _, complaint in ends]
    assert migrate.state(empty_engines[0]).is_current


async def test_an_installed_wheel_brings_its_chain_along(tmp_path):
    site = tmp_path / "site"
    shutil.copytree(ROOT / "store", site / "store", ignore=shutil.ignore_patterns("__pycache__"))
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source, inside in wheel["force-include"].items():
        shutil.copytree(ROOT / source, site / inside, ignore=shutil.ignore_patterns("__pycache__"))

    code, chain, complaint = await run_upgrade(sqlite_url(tmp_path / "mail.db"), path=site, cwd=tmp_path)

    assert (0, str(site / "store" / "_alembic"), "") == (code, chain, complaint)


async def test_an_installation_without_its_chain_says_so(tmp_path):
    site = tmp_path / "site"
    shutil.copytree(ROOT / "store", site / "store", ignore=shutil.ignore_patterns("__pycache__", "_alembic"))

    code, _, complaint = await run_upgrade(sqlite_url(tmp_path / "mail.db"), path=site, cwd=tmp_path)

    assert 1 == code
    assert "Unusable: the installation lacks its migrations" in complaint
