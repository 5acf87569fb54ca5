"""The imperative shell: drives the ports that it declares and owns the running state."""
