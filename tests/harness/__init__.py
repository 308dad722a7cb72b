"""Servers and clients for tests: a private PostgreSQL, MariaDB and Postfix, the proxymap protocol, SMTP.

Everything lives in one temporary directory per test program, listens on its own ports and sockets, and is gone when
the program ends, however it ends. Only the Python standard library is used.
"""
