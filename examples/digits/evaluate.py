# SPDX-License-Identifier: BSD-2-Clause
"""Measures the int8 model on the held-out images with TensorFlow Lite's reference kernels.

python -m examples.digits.evaluate
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent


def classify(model: Path, images: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """The digit with the largest softmax output for each image, shape (n,)."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(str(model), experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    interpreter.allocate_tensors()
    source = interpreter.get_input_details()[0]["index"]
    result = interpreter.get_output_details()[0]["index"]
    digits = []
    for image in images:
        interpreter.set_tensor(source, image[np.newaxis])
        interpreter.invoke()
        digits.append(int(np.argmax(interpreter.get_tensor(result))))
    return np.array(digits, np.int64)


def main() -> None:
    """Prints how many held-out images are classified right."""
    images = np.load(FOLDER / "images.npy")
    labels = np.load(FOLDER / "labels.npy")
    right = int(np.sum(classify(FOLDER / "digits.tflite", images) == labels))
    print(f"{right} of {len(labels)} held-out images, {100 * right / len(labels):.2f} %")


if __name__ == "__main__":
    main()
