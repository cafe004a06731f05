"""Request and response handling that every page and API view shares."""
