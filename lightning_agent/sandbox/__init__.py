"""The sandbox: what confines tenants' code, and what runs inside it."""
