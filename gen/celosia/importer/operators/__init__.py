# SPDX-License-Identifier: BSD-2-Clause
"""Importers of single operators, a module for each family, and the table of them all."""
