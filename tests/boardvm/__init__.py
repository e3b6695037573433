"""The agent's package on a whole machine: Debian 12 with its own kernel, in QEMU."""
