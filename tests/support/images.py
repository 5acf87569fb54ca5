"""Names of the images that tests/engine/images.sh makes, and the environment that makes the example use them."""

from __future__ import annotations

BUSYBOX = "fixture/busybox"
WEB_HEALTH = "fixture/web:health"
POSTGRES = "fixture/postgres:15"
REDIS = "fixture/redis:7"
PYWEB = "fixture/pyweb"

ALL = (BUSYBOX, WEB_HEALTH, POSTGRES, REDIS, PYWEB)
ENVIRONMENT = {"POSTGRES_IMAGE": POSTGRES, "REDIS_IMAGE": REDIS, "PYWEB_IMAGE": PYWEB}
