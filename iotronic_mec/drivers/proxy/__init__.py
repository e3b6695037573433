"""Reverse proxies: web servers of boards under a host name."""
