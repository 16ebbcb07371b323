# SPDX-License-Identifier: BSD-2-Clause
"""Front ends between a host and the control port."""
