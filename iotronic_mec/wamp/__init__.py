"""The WAMP side of the cloud: sessions, logins, rights, presence, calls.

Everything here runs in the reactor thread; the database and every rule are in
the core, reached through :mod:`iotronic_mec.bridge`.
"""
