"""The whole product, as its users start and drive it."""
