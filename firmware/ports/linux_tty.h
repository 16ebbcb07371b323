/* SPDX-License-Identifier: BSD-2-Clause */
/* A serial port of Linux: 8 data bits, no parity, one stop bit, no flow control. */

#ifndef CELOSIA_LINUX_TTY_H
#define CELOSIA_LINUX_TTY_H

#include "celosia.h"

struct celosia_tty {
    int file;
};

/* Opens the port at any rate that its driver can make, and sets the hooks of `device`, and its
 * timeout unless that is set already. False if that failed; errno tells why. */
bool celosia_tty_open(struct celosia_tty *tty, struct celosia *device, const char *path,
                      uint32_t baud);
void celosia_tty_close(struct celosia_tty *tty);

#endif
