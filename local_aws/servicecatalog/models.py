"""Service Catalog with real provisioning."""
