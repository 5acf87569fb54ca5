"""The ports of this machine and who holds them."""
