"""Tunnels: a public TCP or UDP port of the cloud that ends at a port of a board."""
