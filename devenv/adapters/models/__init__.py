"""Models as the service's own interpreter reads them."""
