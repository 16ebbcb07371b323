# SPDX-License-Identifier: BSD-2-Clause
"""Exact integer arithmetic of the int8 specification, and of the hardware that reproduces it."""
