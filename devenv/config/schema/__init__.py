"""The keys of services.yaml as input models: the only package that knows pydantic. It must not know files."""
