"""The contract, both ends in one room."""
