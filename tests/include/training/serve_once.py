"""Calls the serving handlers once, as the inference toolkit does; runs where it is installed."""

from __future__ import annotations

import json
import sys

import inference
from sagemaker_inference.errors import BaseInferenceToolkitError

folder, body, content_type, accept = json.loads(sys.argv[1])
try:
    model = inference.model_fn(folder)
    data = inference.input_fn(body, content_type)
    answer, answer_type = inference.output_fn(inference.predict_fn(data, model), accept)
    print(json.dumps({"status": 200, "body": answer, "type": answer_type}))
except BaseInferenceToolkitError as error:
    print(json.dumps({"status": error.status_code, "body": error.message}))
