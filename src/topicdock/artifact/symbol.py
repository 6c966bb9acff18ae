"""``symbol.json``: the served graph, counts to topic weights, as MXNet writes a Symbol.

The built-in's own symbol cannot be bound outside SageMaker, since its graph draws random numbers (apache/mxnet issue
16230). This one holds only the deterministic path that is served, so ``mx.sym.load`` and ``bind`` work on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from topicdock.model import EncodedTopicModel, TopicModel

_MXNET_VERSION = 10901
_ACTIVATIONS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    **{name: ("Activation", {"act_type": name}) for name in ("sigmoid", "tanh", "relu")},
    "softplus": ("Activation", {"act_type": "softrelu"}),
    "leakyrelu": ("LeakyReLU", {"act_type": "leaky", "slope": "0.01"}),
    "elu": ("LeakyReLU", {"act_type": "elu", "slope": "1.0"}),
    "selu": ("LeakyReLU", {"act_type": "selu"}),
}
"""What MXNet calls them."""


def encode_symbol(model: TopicModel) -> bytes:
    """Return the JSON of a graph with input ``data`` (D, V) and output ``topic_weights`` (D, K)."""
    if not isinstance(model, EncodedTopicModel):
        raise TypeError(f"there is no graph for {type(model).__name__}")
    graph = _Graph()
    tensor = graph.variable("data")
    shown = model.metadata.hyperparameters.get("encoder_input")
    if shown == "log1p":
        tensor = graph.node("log1p", "encoder_input", [tensor])
    elif shown == "frequencies":
        lengths = graph.node("sum", "lengths", [tensor], axis="1", keepdims="True")
        positive = graph.node("_maximum_scalar", "positive_lengths", [lengths], scalar="1e-30")
        tensor = graph.node("broadcast_div", "encoder_input", [tensor, positive])
    activation = str(model.metadata.hyperparameters.get("encoder_layers_activation", model.default_activation))
    depth = sum(name.startswith("encoder_") and name.endswith("_weight") for name in model.arrays)
    for layer in range(depth):
        tensor = graph.fully_connected(f"encoder_{layer}", tensor, model.arrays[f"encoder_{layer}_bias"].shape[0])
        operator, attributes = _ACTIVATIONS[activation]
        tensor = graph.node(operator, f"encoder_{layer}_{activation}", [tensor], **attributes)
    tensor = graph.fully_connected("mean", tensor, model.num_topics)
    graph.node("softmax", "topic_weights", [tensor], axis="-1")
    return graph.encode()


class _Graph:
    """Collects nodes in the order in which MXNet lists them: inputs before the node that uses them."""

    def __init__(self) -> None:
        self._nodes: list[dict[str, Any]] = []

    def variable(self, name: str) -> int:
        return self._append({"op": "null", "name": name, "inputs": []})

    def node(self, operator: str, name: str, inputs: list[int], **attributes: str) -> int:
        entry: dict[str, Any] = {"op": operator, "name": name}
        if attributes:
            entry["attrs"] = attributes
        return self._append(entry | {"inputs": [[number, 0, 0] for number in inputs]})

    def fully_connected(self, name: str, tensor: int, width: int) -> int:
        parameters = [self.variable(f"{name}_weight"), self.variable(f"{name}_bias")]
        return self.node("FullyConnected", name, [tensor, *parameters], num_hidden=str(width))

    def encode(self) -> bytes:
        count = len(self._nodes)
        return orjson.dumps(
            {
                "nodes": self._nodes,
                "arg_nodes": [number for number, node in enumerate(self._nodes) if node["op"] == "null"],
                "node_row_ptr": list(range(count + 1)),
                "heads": [[count - 1, 0, 0]],
                "attrs": {"mxnet_version": ["int", _MXNET_VERSION]},
            },
            option=orjson.OPT_INDENT_2,
        )

    def _append(self, node: dict[str, Any]) -> int:
        self._nodes.append(node)
        return len(self._nodes) - 1
