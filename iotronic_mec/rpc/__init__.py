"""How the processes of the cloud call one another."""
