"""CloudWatch Logs, as moto has them."""
