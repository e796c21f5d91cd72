"""The benchmark: a backfill on one shared cluster, beside one cluster a run with stock operators."""
