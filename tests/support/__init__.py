"""What tests of several tiers lean on: waiting, port holders, the engine, leak checks."""
