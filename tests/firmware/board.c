/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that bare_metal.c asks for, and spidev's ioctl and clock, made of functions of the
   test: no time passes but what the test says. */

#define _POSIX_C_SOURCE 199309L

#include "bare_metal.h"
#include "linux_spidev.h"

#include <linux/spi/spidev.h>
#include <stdarg.h>
#include <time.h>

/* `first`: these begin a transfer. */
typedef void transfer_function(const uint8_t *out, uint8_t *in, uint32_t count, bool first);

void board_set(transfer_function *transfer, void (*send)(uint8_t), int (*receive)(void),
               uint32_t (*milliseconds)(void));
void board_spi_select(bool selected);
uint8_t board_spi_exchange(uint8_t byte);
void board_uart_send(uint8_t byte);
bool board_uart_receive(uint8_t *byte);
uint32_t board_milliseconds(void);
int board_ioctl(int file, unsigned long request, ...);
int board_clock_gettime(clockid_t clock, struct timespec *now);

static transfer_function *spi_transfer;
static bool spi_first;
static void (*uart_send)(uint8_t);
static int (*uart_receive)(void);
static uint32_t (*clock_ms)(void);

void board_set(transfer_function *transfer, void (*send)(uint8_t), int (*receive)(void),
               uint32_t (*milliseconds)(void))
{
    spi_transfer = transfer;
    uart_send = send;
    uart_receive = receive;
    clock_ms = milliseconds;
}

void board_spi_select(bool selected)
{
    spi_first = selected;
}

uint8_t board_spi_exchange(uint8_t byte)
{
    spi_transfer(&byte, &byte, 1, spi_first);
    spi_first = false;
    return byte;
}

void board_uart_send(uint8_t byte)
{
    uart_send(byte);
}

bool board_uart_receive(uint8_t *byte)
{
    int got = uart_receive();

    if (got >= 0)
        *byte = (uint8_t)got;
    return got >= 0;
}

uint32_t board_milliseconds(void)
{
    return clock_ms();
}

int board_ioctl(int file, unsigned long request, ...)
{
    const struct spi_ioc_transfer *message;
    va_list arguments;

    va_start(arguments, request);
    message = va_arg(arguments, const struct spi_ioc_transfer *);
    va_end(arguments);
    if (request != SPI_IOC_MESSAGE(1))
        return file < 0 ? -1 : 0;
    spi_transfer((const uint8_t *)(uintptr_t)message->tx_buf,
                 (uint8_t *)(uintptr_t)message->rx_buf, message->len, true);
    return (int)message->len;
}

int board_clock_gettime(clockid_t clock, struct timespec *now)
{
    uint32_t milliseconds = clock_ms();

    (void)clock;
    now->tv_sec = (time_t)(milliseconds / 1000);
    now->tv_nsec = (long)(milliseconds % 1000) * 1000000;
    return 0;
}
