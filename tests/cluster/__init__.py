"""The separate processes on RabbitMQ and a server database."""
