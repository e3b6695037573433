"""Networks: the ports that become interfaces of boards."""
