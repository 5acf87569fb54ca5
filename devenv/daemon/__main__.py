"""`python -m devenv.daemon SETTINGS`: only ever run by `spawn`."""

from devenv.daemon.main import main

main()
