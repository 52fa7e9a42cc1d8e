"""The encoder of multilingual-e5-small as an ONNX graph with int8 weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from knowledge.search.e5 import Weights

__all__ = ["Graph"]

_MICROSOFT = "com.microsoft"


def _int8_rows(matrix: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Round each row to int8: the rounded rows and the scale of each."""
    scales = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-9) / 127
    return np.rint(matrix / scales).astype(np.int8), scales.astype(np.float32)


class Graph:
    """The encoder as an ONNX graph: ids and mask, the layers, mean over the mask, unit length.

    It uses operators of onnxruntime's own ("com.microsoft"), so onnxruntime is pinned.
    """

    def __init__(self, weights: Weights, kept: Sequence[int]) -> None:
        self._weights, self._kept = weights, kept
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def serialised(self) -> bytes:
        """The model as the bytes of its file."""
        summed = self._sum_over_mask(self._layers(self._embedded()))
        # Unit length makes the division of the mean unnecessary.
        self._nodes.append(helper.make_node("LpNormalization", [summed], ["embedding"], axis=1, p=2))
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", self._weights.hidden])
        graph = helper.make_graph(self._nodes, "multilingual-e5-small", inputs, [output], self._constants)
        opsets = [helper.make_opsetid("", 21), helper.make_opsetid(_MICROSOFT, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="sotay")
        serialised: bytes = model.SerializeToString()
        return serialised

    def _constant(self, name: str, values: npt.NDArray[np.generic]) -> str:
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def _parameter(self, name: str, *shape: int) -> str:
        return self._constant(name, self._weights.floats(name, *shape))

    def _operate(self, kind: str, inputs: Sequence[str], *, domain: str = "", **attributes: object) -> str:
        """Add a node with one output; its name."""
        (name,) = self._outputs(kind, inputs, 1, domain=domain, **attributes)
        return name

    def _outputs(
        self, kind: str, inputs: Sequence[str], outputs: int, *, domain: str = "", **attributes: object
    ) -> list[str]:
        number = len(self._nodes)
        names = [f"t{number}_{index}" for index in range(outputs)]
        node = helper.make_node(kind, list(inputs), names, name=f"{kind}_{number}", domain=domain, **attributes)
        self._nodes.append(node)
        return names

    def _normalised(self, value: str, name: str) -> str:
        hidden = self._weights.hidden
        inputs = [value, self._parameter(f"{name}.w", hidden), self._parameter(f"{name}.b", hidden)]
        return self._operate("LayerNormalization", inputs, axis=-1, epsilon=self._weights.epsilon)

    def _linear(self, value: str, name: str, rows: int, columns: int, parts: str = "") -> str:
        """Product of *value* and W.T, plus b, for the matrix *name* [rows, columns], or for several stacked.

        Each letter of *parts* names one of them.
        """
        names = [name + part for part in parts] or [name]
        matrix = np.concatenate([self._weights.dequantised(f"{n}.w", rows, columns) for n in names])
        bias = np.concatenate([self._weights.floats(f"{n}.b", rows) for n in names])
        rounded, scales = _int8_rows(matrix)
        inputs = [
            value,
            self._constant(name, rounded.T),
            self._constant(f"{name}.scale", scales[:, 0]),
            self._constant(f"{name}.zero", np.zeros(len(rounded), np.int8)),
            self._constant(f"{name}.bias", bias),
        ]
        return self._operate("DynamicQuantizeMatMul", inputs, domain=_MICROSOFT)

    def _embedded(self) -> str:
        weights, hidden = self._weights, self._weights.hidden
        words = weights.dequantised("emb.word", len(weights.pieces), hidden)[list(self._kept)]
        rounded, scales = _int8_rows(words)
        rows = self._operate("Gather", [self._constant("emb", rounded), "input_ids"])
        row_scales = self._operate("Gather", [self._constant("emb.scale", scales), "input_ids"])
        word = self._operate("Mul", [self._operate("Cast", [rows], to=TensorProto.FLOAT), row_scales])
        positions = weights.floats("emb.pos", weights.max_positions, hidden)
        positions += weights.floats("emb.type", weights.types, hidden)[0]
        one = self._constant("one", np.array([1], np.int64))
        zero = self._constant("zero", np.array([0], np.int64))
        length = self._operate("Gather", [self._operate("Shape", ["input_ids"]), one])
        position = self._operate("Slice", [self._constant("pos", positions), zero, length, zero])
        return self._normalised(self._operate("Add", [word, position]), "emb.ln")

    def _layers(self, value: str) -> str:
        hidden, inner = self._weights.hidden, self._weights.feed_forward
        mask = self._operate("Cast", ["attention_mask"], to=TensorProto.INT32)
        for layer in (f"l{number}." for number in range(self._weights.layers)):
            stacked = self._linear(value, layer, hidden, hidden, parts="qkv")
            query, key, content = self._outputs("Split", [stacked], 3, axis=-1, num_outputs=3)
            heads = self._weights.heads
            attended = self._operate(
                "MultiHeadAttention", [query, key, content, "", mask], domain=_MICROSOFT, num_heads=heads
            )
            projected = self._linear(attended, f"{layer}ao", hidden, hidden)
            value = self._normalised(self._operate("Add", [projected, value]), f"{layer}aln")
            widened = self._operate("Gelu", [self._linear(value, f"{layer}fi", inner, hidden)], domain=_MICROSOFT)
            narrowed = self._linear(widened, f"{layer}fo", hidden, inner)
            value = self._normalised(self._operate("Add", [narrowed, value]), f"{layer}oln")
        return value

    def _sum_over_mask(self, value: str) -> str:
        mask = self._operate("Cast", ["attention_mask"], to=TensorProto.FLOAT)
        row = self._operate("Unsqueeze", [mask, "one"])  # [batch, 1, sequence] x [batch, sequence, hidden]
        return self._operate("Squeeze", [self._operate("MatMul", [row, value]), "one"])
