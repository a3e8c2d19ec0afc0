"""The shape of a database as it says itself, for holding two beside each other."""

from sqlalchemy import inspect


def foreign_keys(engine, inspector, table):
    """What a table refers to. SQLite is asked itself: of one written behind its column SQLAlchemy reads only half."""
    if engine.dialect.name != "sqlite":
        return _by_name(inspector.get_foreign_keys(table))
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"PRAGMA foreign_key_list({table})").mappings().all()
    return {row["from"]: (row["table"], row["to"], row["on_delete"], row["on_update"]) for row in rows}


def shape(engine):
    """Every table with its columns, keys, indexes and checks; without the chain's own."""
    inspector = inspect(engine)
    return {
        table: {
            "columns": {
                column["name"]: (
                    str(column["type"]),
                    column["nullable"],
                    column["default"],
                    column.get("autoincrement"),
                )
                for column in inspector.get_columns(table)
            },
            "primary key": _texts(inspector.get_pk_constraint(table)),
            "foreign keys": foreign_keys(engine, inspector, table),
            "unique": _by_name(inspector.get_unique_constraints(table)),
            "indexes": _by_name(inspector.get_indexes(table)),
            "checks": _by_name(inspector.get_check_constraints(table)),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def _by_name(found):
    return {item["name"]: _texts(item) for item in found}


def _texts(item):
    return {key: _texts(value) if isinstance(value, dict) else str(value) for key, value in item.items()}
