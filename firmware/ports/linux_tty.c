/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own termios2 takes any baud rate as a number; the C library's termios does not, and
 * both cannot be included in one file. */

#define _POSIX_C_SOURCE 200809L

#include "linux_tty.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A port that takes no bytes for so long is stuck. */
#define STUCK_MS 5000

/* Beside the time that a request takes: for the accelerator, and for adapters that collect bytes. */
#define LATENCY_MS 250u
/* Bits of the longest request: 1024 bytes, all of them escaped, and some more. */
#define REQUEST_BITS 21000u

static bool wait_for(int file, short events, int timeout_ms)
{
    struct pollfd poll_file;
    int ready;

    poll_file.fd = file;
    poll_file.events = events;
    do
        ready = poll(&poll_file, 1, timeout_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0;
}

static bool write_bytes(void *context, const uint8_t *bytes, uint32_t count)
{
    const struct celosia_tty *tty = context;

    while (count) {
        ssize_t done = write(tty->file, bytes, count);

        if (done > 0) {
            bytes += done;
            count -= (uint32_t)done;
        } else if (done == 0 || errno == EAGAIN) {
            if (!wait_for(tty->file, POLLOUT, STUCK_MS))
                return false;
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static int read_bytes(void *context, uint8_t *bytes, uint32_t count, uint32_t timeout_ms)
{
    const struct celosia_tty *tty = context;
    ssize_t done;

    if (!wait_for(tty->file, POLLIN, (int)timeout_ms))
        return 0;
    do
        done = read(tty->file, bytes, count);
    while (done < 0 && errno == EINTR);
    if (done < 0 && errno == EAGAIN)
        return 0;
    /* A port that is readable but has nothing was unplugged. */
    return done > 0 ? (int)done : -1;
}

static uint16_t timeout_for(uint32_t baud)
{
    uint32_t timeout_ms = LATENCY_MS + REQUEST_BITS * 1000 / baud;

    return timeout_ms > UINT16_MAX ? UINT16_MAX : (uint16_t)timeout_ms;
}

bool celosia_tty_open(struct celosia_tty *tty, struct celosia *device, const char *path,
                      uint32_t baud)
{
    struct termios2 settings;
    int error;

    tty->file = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (tty->file < 0)
        return false;
    if (ioctl(tty->file, TCGETS2, &settings) == 0) {
        settings.c_iflag = 0;
        settings.c_oflag = 0;
        settings.c_lflag = 0;
        settings.c_cflag = BOTHER | CS8 | CREAD | CLOCAL;
        settings.c_ispeed = baud;
        settings.c_ospeed = baud;
        settings.c_cc[VMIN] = 0;
        settings.c_cc[VTIME] = 0;
        if (ioctl(tty->file, TCSETS2, &settings) == 0 &&
            ioctl(tty->file, TCFLSH, TCIOFLUSH) == 0) {
            device->write = write_bytes;
            device->read = read_bytes;
            device->context = tty;
            if (device->timeout_ms == 0)
                device->timeout_ms = timeout_for(baud);
            return true;
        }
    }
    error = errno;
    (void)close(tty->file);
    errno = error;
    return false;
}

void celosia_tty_close(struct celosia_tty *tty)
{
    (void)close(tty->file);
}
