# SPDX-License-Identifier: BSD-2-Clause
"""Reads model files into quantized graphs. Files are not trusted: see ``container``."""

from celosia.importer.tflite import load_tflite

__all__ = ["load_tflite"]
