"""The HTTP machinery: routing, hooks, rights, bodies, pages; no feature knowledge."""
