"""The Docker engine: containers through its API, Compose and Buildx through their commands."""
