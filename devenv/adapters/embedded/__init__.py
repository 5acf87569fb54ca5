"""PostgreSQL and Redis without Docker."""
