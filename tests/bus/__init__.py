"""Tests on a real RabbitMQ."""
