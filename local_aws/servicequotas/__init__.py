"""Service Quotas: the quotas that bound clusters, training and endpoints."""
