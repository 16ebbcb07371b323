# SPDX-License-Identifier: BSD-2-Clause
"""Models of one operator, and small networks."""

from __future__ import annotations

from celosia.graph.ir import DType
from celosia_sim.random_models.draw import Draw
from celosia_sim.random_models.operators import ANY_LAYERS, CONCATENATED, IMAGE_LAYERS, Layers

#: Models of these read or write other types than int8, or read two inputs.
_EDGES = ("ADD_TWO_INPUTS", "QUANTIZE", "DEQUANTIZE", "FROM_UINT8", "TO_UINT8")

#: What ``random_operator`` makes models of.
OPERATORS: tuple[str, ...] = (*IMAGE_LAYERS, *ANY_LAYERS, *_EDGES)

#: Weighted choice of the layers of networks.
_NETWORK_IMAGE_LAYERS = (
    *("CONV_2D",) * 5,
    *("DEPTHWISE_CONV_2D",) * 4,
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
    "MEAN",
    "PAD",
    "CONCATENATION",
    *("RESIDUAL",) * 3,
    "ADD_CONSTANT",
    "FULLY_CONNECTED",
    "FUNCTION",
)
_NETWORK_ROW_LAYERS = (*("FULLY_CONNECTED",) * 3, "ADD_CONSTANT", "FUNCTION", "LAYOUT")
_FUNCTIONS = (
    "LOGISTIC",
    "TANH",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "LEAKY_RELU",
    "HARD_SWISH",
    "REQUANTIZE",
)
_MIN_LAYERS, _MAX_LAYERS = 2, 6


def random_model(seed: int, size: int = 1) -> bytes:
    """The ``.tflite`` file of a seed: of one operator, each in turn, or of a network.

    One seed in three is a network; see the package for what ``size`` bounds.
    """
    if seed % 3 == 2:
        return random_graph(seed, size)
    operator = OPERATORS[(seed // 3 * 2 + seed % 3) % len(OPERATORS)]
    return random_operator(operator, seed, size)


def random_operator(operator: str, seed: int, size: int = 1) -> bytes:
    """The ``.tflite`` file of a model of one of OPERATORS alone.

    CONCATENATION has a convolution beside it, which makes one of its operands.

    Raises:
        ValueError: the operator is none of OPERATORS.
    """
    if operator not in OPERATORS:
        raise ValueError(f"operator must be one of {', '.join(OPERATORS)}, not {operator!r}")
    draw = Draw([seed, OPERATORS.index(operator)], size)
    layers = Layers(draw)
    if operator in IMAGE_LAYERS:
        shape = draw.image(CONCATENATED if operator == "CONCATENATION" else 1)
        image = layers.model.input("image", shape, draw.quantization())
        result = IMAGE_LAYERS[operator](layers, image)
    elif operator in ANY_LAYERS:
        x = layers.model.input("x", draw.shape(), draw.quantization())
        result = ANY_LAYERS[operator](layers, x)
    else:
        result = _edge(layers, operator)
    layers.model.output(result)
    return layers.model.build()


def _edge(layers: Layers, operator: str) -> int:
    draw, model = layers.draw, layers.model
    shape = draw.shape()
    if operator == "ADD_TWO_INPUTS":
        a = draw.quantization()
        b = draw.choice([a, draw.near(a, -8, 8)])
        return layers.add(model.input("a", shape, a), model.input("b", shape, b))
    if operator == "QUANTIZE":
        return model.quantize(model.input("x", shape, dtype=DType.FLOAT32), draw.quantization())
    if operator == "DEQUANTIZE":
        return model.dequantize(model.input("x", shape, draw.quantization()))
    source = draw.quantization()
    # Both types share the code for zero points within 0..127; ends of uint8 are drawn besides.
    as_uint8 = draw.near(source, -6, 6)
    zero_point = draw.choice([0, 255, 128, source.zero_point + 128])
    as_uint8 = type(as_uint8)(as_uint8.scales, (zero_point,))
    if operator == "FROM_UINT8":
        return model.quantize(model.input("x", shape, as_uint8, DType.UINT8), source)
    return model.quantize(model.input("x", shape, source), as_uint8, DType.UINT8)


def random_graph(seed: int, size: int = 1) -> bytes:
    """The ``.tflite`` file of a network of 2 to 6 layers, some with a softmax besides.

    Layers are drawn for what the network's tensor has become; a residual is a convolution and an
    addition.
    """
    draw = Draw([seed, len(OPERATORS)], size)
    layers = Layers(draw)
    x = layers.model.input("image", draw.image(), draw.quantization())
    for _ in range(draw.integer(_MIN_LAYERS, _MAX_LAYERS)):
        x = _layer(layers, x)
    if draw.chance(0.3):
        x = layers.softmax(x)
    layers.model.output(x)
    return layers.model.build()


def _layer(layers: Layers, x: int) -> int:
    draw, shape = layers.draw, layers.model.shape(x)
    kind = draw.choice(_NETWORK_IMAGE_LAYERS if len(shape) == 4 else _NETWORK_ROW_LAYERS)
    if kind == "FUNCTION":
        kind = draw.choice(_FUNCTIONS)
    elif kind == "LAYOUT":
        kind = draw.choice(["RESHAPE", "EXPAND_DIMS"])
    elif kind == "RESIDUAL":
        return _residual(layers, x)
    elif kind == "CONCATENATION" and not layers.keeps_shape(x, CONCATENATED):
        kind = "CONV_2D"  # the budget is used up
    elif kind == "FULLY_CONNECTED" and draw.chance(0.4):
        x = layers.reshape(x)
    return {**IMAGE_LAYERS, **ANY_LAYERS}[kind](layers, x)


def _residual(layers: Layers, x: int) -> int:
    """x plus a convolution of x, in either order."""
    draw = layers.draw
    if not layers.keeps_shape(x):
        return layers.depthwise_conv_2d(x)
    source = layers.quantization(x)
    same = draw.chance(0.3)  # scales of both operands are equal: the sum has exact ties
    branch = layers.conv_2d(x, output=source if same else None, same_shape=True)
    return layers.add(x, branch) if draw.chance(0.5) else layers.add(branch, x)
