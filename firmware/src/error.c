/* SPDX-License-Identifier: BSD-2-Clause */
/* Errors in words, apart from all else: a program that does not ask for them does not link them. */

#include "celosia.h"

const char *celosia_error_text(enum celosia_error error)
{
    switch (error) {
    case CELOSIA_OK:
        return "no error";
    case CELOSIA_ERROR_CHECKSUM:
        return "data were damaged on their way in every attempt";
    case CELOSIA_ERROR_COMMAND:
        return "the accelerator does not know the command, or the register cannot be set";
    case CELOSIA_ERROR_LENGTH:
        return "a request for no words";
    case CELOSIA_ERROR_ADDRESS:
        return "the accelerator has no memory at this address";
    case CELOSIA_ERROR_STATE:
        return "not possible while a run is busy";
    case CELOSIA_ERROR_SEQUENCE:
        return "the accelerator was restarted or used by another host; open it and load the "
               "model again";
    case CELOSIA_ERROR_MISMATCH:
        return "the accelerator has another configuration or version than the model is for";
    case CELOSIA_ERROR_RESULT:
        return "an answer that this driver does not know";
    case CELOSIA_ERROR_IO:
        return "the port failed";
    case CELOSIA_ERROR_TIMEOUT:
        return "the accelerator does not answer; check wiring, baud rate and bitstream";
    case CELOSIA_ERROR_DEVICE:
        return "what answers is not a Celosia accelerator";
    case CELOSIA_ERROR_PROTOCOL:
        return "the accelerator speaks another version of the protocol";
    case CELOSIA_ERROR_VERSION:
        return "the accelerator has another version of the instruction set";
    case CELOSIA_ERROR_CLOSED:
        return "the accelerator is not open";
    case CELOSIA_ERROR_ARGUMENT:
        return "an argument is out of range or not a multiple of 4";
    case CELOSIA_ERROR_SOURCE:
        return "the image cannot be read";
    case CELOSIA_ERROR_IMAGE:
        return "not an image of a model";
    case CELOSIA_ERROR_IMAGE_VERSION:
        return "an image of another version; generate it again";
    case CELOSIA_ERROR_IMAGE_LENGTH:
        return "the image is truncated or too long";
    case CELOSIA_ERROR_IMAGE_CHECKSUM:
        return "the image is damaged";
    case CELOSIA_ERROR_IMAGE_CONTENT:
        return "the image contradicts itself";
    case CELOSIA_ERROR_CONFIG:
        return "the image is for an accelerator with another configuration";
    case CELOSIA_ERROR_SPACE:
        return "the image does not fit the accelerator's memories";
    case CELOSIA_ERROR_TENSORS:
        return "too many inputs and outputs; compile with a larger CELOSIA_TENSORS";
    case CELOSIA_ERROR_NOT_LOADED:
        return "the model is not loaded";
    case CELOSIA_ERROR_BOOT:
        return "the accelerator did not load this model from its flash";
    case CELOSIA_ERROR_BUSY:
        return "the accelerator is still busy";
    case CELOSIA_ERROR_STOPPED:
        return "there was no run, or it was stopped";
    case CELOSIA_ERROR_WATCHDOG:
        return "the run took too long and was ended";
    case CELOSIA_ERROR_PROGRAM:
        return "the program has an unknown instruction";
    case CELOSIA_ERROR_ACCESS:
        return "memory was accessed during the run";
    case CELOSIA_ERROR_SELF_TEST:
        return "the accelerator computes something else than the reference; load again, program "
               "its bitstream anew, lower its clock, check its supply";
    case CELOSIA_ERROR_NO_SELF_TEST:
        return "there are no known answers; generate the image again";
    }
    return "unknown error";
}
