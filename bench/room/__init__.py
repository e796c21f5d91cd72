"""``python -m bench.room``: how soon the control room is there, with many clusters and runs."""

CONTROL_ROOM = "/sagemaker-emr/control-room"
