"""Lock files against what is installed: node_modules and virtual environments."""
