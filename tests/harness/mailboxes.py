"""A database with many mailboxes, and a role that may read them."""

DATABASE, READER = "mail", "reader"
MAILBOXES = 1000
KEY, VALUE = "user7@domain7.example", b"box7@store.example"

# By table type; {} is the name of a table in the database. PostgreSQL does not ask for the password.
PASSWORD = "unused"
_READER = {"pgsql": f"CREATE ROLE {READER} LOGIN", "mysql": f"CREATE USER {READER}@'%' IDENTIFIED BY '{PASSWORD}'"}
_GRANT = {"pgsql": f"GRANT SELECT ON {{}} TO {READER}", "mysql": f"GRANT SELECT ON {{}} TO {READER}@'%'"}
_REVOKE = {"pgsql": f"REVOKE SELECT ON {{}} FROM {READER}", "mysql": f"REVOKE SELECT ON {{}} FROM {READER}@'%'"}


def address(number):
    return f"user{number}@domain{number}.example"


def sql():
    """The statements that create the table `mailbox`."""
    rows = ", ".join(f"('{address(n)}', 'box{n}@store.example')" for n in range(1, MAILBOXES + 1))
    return ("CREATE TABLE mailbox (address varchar(200) PRIMARY KEY, destination varchar(200));"
            f"INSERT INTO mailbox VALUES {rows};")


def query(table="mailbox"):
    return f"SELECT destination FROM {table} WHERE address = '%s'"


def fill(database):
    """Creates the database and the role in a running server; returns the server."""
    database.create_database(DATABASE, sql())
    database.sql(f"{_READER[database.KIND]}; {grant(database)}", DATABASE)
    return database


def grant(database, table="mailbox"):
    return _GRANT[database.KIND].format(table)


def revoke(database, table="mailbox"):
    return _REVOKE[database.KIND].format(table)


def table_parameters(ports, table="mailbox"):
    """The parameters of a table that asks servers on these loopback ports."""
    return {"hosts": " ".join(f"127.0.0.1:{port}" for port in ports), "user": READER, "password": PASSWORD,
            "dbname": DATABASE, "query": query(table)}
