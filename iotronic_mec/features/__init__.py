"""One folder per noun of the domain; the order stands in the registry."""
