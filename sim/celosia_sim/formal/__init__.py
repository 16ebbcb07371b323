# SPDX-License-Identifier: BSD-2-Clause
"""Proofs about blocks, by bounded model checking and k-induction (docs/proofs.md)."""

from .harness import Block, Harness
from .memory import WatchedMemory
from .prove import RefutedError, prove, prove_all

__all__ = ["Block", "Harness", "RefutedError", "WatchedMemory", "prove", "prove_all"]
