"""Search over passages: plain data in, ranked hits out; knows nothing of the database."""

import os

# Said before onnxruntime is imported: no telemetry, and nothing written outside the data folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
