/* SPDX-License-Identifier: MIT */
#include "sim/telnet_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t byte, answer[KILN_SIM_TELNET_ANSWER_MAX];
    struct kiln_sim_telnet telnet;
    size_t len;

    kiln_sim_telnet_init(&telnet, 115200);
    for (size_t i = 0; i < size; i++) {
        (void)kiln_sim_telnet_take(&telnet, data[i], &byte, answer, &len);
        if (len > sizeof answer || telnet.baud == 0 || telnet.lines > 3)
            __builtin_trap();
    }
    return 0;
}
