"""A model whose weights are blocks of int8 to the same model with plain fp32 weights. onnx and onnxruntime only.

The files of OpenCV's zoo in that form ("int8bq") declare their weights (also those long replaced) as inputs and give some tensors a block size with a
single scale. OpenCV 4 lets both pass; OpenCV 5 and onnxruntime refuse them, or compute the weights anew on every run.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

_UNPACKING = ("DequantizeLinear", "Reshape")
_WEIGHED = ("Conv", "Gemm")


def fold(raw: bytes) -> bytes:
    """*raw* (ONNX) with every weight of a convolution or product as fp32, and its real inputs only; the same bytes every time.

    Errors: those of onnx and onnxruntime for whatever is not such a model.
    """
    model = onnx.load_from_string(raw)
    graph = model.graph
    _repair(graph)
    makers = {output: node for node in graph.node for output in node.output}
    weights = [
        name
        for node in graph.node
        if node.op_type in _WEIGHED
        for name in node.input[1:]
        if name in makers and makers[name].op_type in _UNPACKING
    ]
    weights = list(dict.fromkeys(weights))
    values = _computed(model, weights)
    nodes = [node for node in graph.node if node.op_type != "DequantizeLinear" and not set(node.output) & set(weights)]
    used = {name for node in nodes for name in node.input}
    constants = [entry for entry in graph.initializer if entry.name in used]
    constants += [onnx.numpy_helper.from_array(np.ascontiguousarray(values[name]), name) for name in weights]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.initializer[:]
    graph.initializer.extend(constants)
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def unfolded(raw: bytes) -> bytes:
    """*raw* repaired only, its weights as they are: what the folded model is compared with."""
    model = onnx.load_from_string(raw)
    _repair(model.graph)
    content: bytes = model.SerializeToString()
    return content


def session(content: bytes) -> onnxruntime.InferenceSession:
    """*content* (ONNX) ready to run: one thread, errors only."""
    return onnxruntime.InferenceSession(content, session_options(), providers=["CPUExecutionProvider"])


def session_options() -> onnxruntime.SessionOptions:
    """One thread, errors only."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def _repair(graph: onnx.GraphProto) -> None:
    """What is constant, or read by no node, is no input; one scale for a whole tensor is a number without block size."""
    constants = {entry.name: entry for entry in graph.initializer}
    used = {name for node in graph.node for name in node.input} - constants.keys()
    real = [entry for entry in graph.input if entry.name in used]
    del graph.input[:]
    graph.input.extend(real)
    for node in graph.node:
        scale = constants.get(node.input[1]) if node.op_type == "DequantizeLinear" else None
        if scale is not None and math.prod(scale.dims) == 1:
            del node.attribute[:]
            for name in node.input[1:]:
                del constants[name].dims[:]


def _computed(model: onnx.ModelProto, names: list[str]) -> dict[str, NDArray[np.float32]]:
    """The values of *names*, which depend on constants only."""
    part = onnx.ModelProto()
    part.CopyFrom(model)
    nodes = [
        node
        for node in part.graph.node
        if node.op_type == "DequantizeLinear" or (node.op_type == "Reshape" and set(node.output) & set(names))
    ]
    for entries in (part.graph.node, part.graph.input, part.graph.output, part.graph.value_info):
        del entries[:]
    part.graph.node.extend(nodes)
    part.graph.output.extend(onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in names)
    return dict(zip(names, session(part.SerializeToString()).run(names, {}), strict=True))
