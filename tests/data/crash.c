/* SPDX-License-Identifier: MIT */
/*
 * The program behind crash-*.elf, which the monitor's tests look addresses up in:
 *   CC -g -O2 -fno-ipa-cp -ffreestanding -nostdlib -ffile-prefix-map=$PWD=firmware -Wl,-Ttext=ADDRESS,-eapp_main
 * with xtensa-lx106-elf-gcc (0x40201000), riscv64-unknown-elf-gcc -march=rv32imc -mabi=ilp32 (0x42000000)
 * and arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb (0x08000000).
 */
volatile int sink;

static inline __attribute__((always_inline)) void store_value(int *place, int value)
{
    *place = value;
    sink = value;
}

__attribute__((noinline)) void write_sensor(int *place)
{
    store_value(place, 42);
}

__attribute__((noinline)) int read_sensors(int count)
{
    for (int i = 0; i < count; i++) {
        write_sensor((int *)(long)i);
        sink += i;
    }
    return sink;
}

__attribute__((noinline)) int app_main(void)
{
    return read_sensors(3) + 1;
}
