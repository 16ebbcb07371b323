/* SPDX-License-Identifier: BSD-2-Clause */
/* A port for microcontrollers; bare_metal.c tells what to fill in. */

#ifndef CELOSIA_BARE_METAL_H
#define CELOSIA_BARE_METAL_H

#include "celosia.h"

/* Set the hooks of `device`. */
void celosia_use_uart(struct celosia *device);
void celosia_use_spi(struct celosia *device);

#endif
