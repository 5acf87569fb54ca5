"""One file per outside thing; each implements one Protocol of devenv.app.ports."""
