"""The command line: ``iot …`` and ``openstack iot …``, over the SDK alone."""
