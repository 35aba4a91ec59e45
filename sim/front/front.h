/* SPDX-License-Identifier: MIT */
/*
 * kiln-sim-usb: runs an unmodified program with simulated USB boards plugged in. umockdev gives the program
 * a /sys and a /dev of our own and sends its ioctls on the usbfs nodes here, over a socket; sim/usbfs.c
 * decides them as the kernel would, the board model answers them. It is a program of its own so that
 * libkiln needs no GLib; `kiln sim BOARD --run PROGRAM` starts it.
 */
#ifndef KILN_SIM_FRONT_FRONT_H
#define KILN_SIM_FRONT_FRONT_H

#include "sim/front/board.h"
#include "sim/usbfs.h"

#include <asm/termbits.h>
#include <umockdev.h>

#define KILN_FRONT_PLUGS 32

struct front;

/* A board and the port it is plugged into. */
struct plug {
    struct front *front;
    struct kiln_front_board board;
    unsigned port;
    unsigned generation;
    struct appearance *now; /* NULL while it is off the bus */
    guint timer;
};

struct serial_port {
    char node[16], syspath[160];
    UMockdevIoctlBase *handler;
    struct termios2 settings;
    int lines; /* TIOCM_DTR | TIOCM_RTS */
};

/* One device number's life. Open files keep it after it has gone. */
struct appearance {
    struct plug *plug;
    struct usbfs_device usb;
    UMockdevIoctlBase *handler;
    GPtrArray *interfaces; /* their paths in /sys */
    char node[32], syspath[128];
    struct serial_port *port; /* NULL if it has none */
    unsigned devnum;
    bool gone;
};

struct front {
    UMockdevTestbed *bed;
    GMainLoop *loop;
    struct plug plug[KILN_FRONT_PLUGS];
    size_t plug_count;
    GPtrArray *appearances;
    unsigned next_devnum;
    int exit_status;
};

/* The host controller's root hub and all boards that are on the bus. */
void kiln_front_plug_all(struct front *front);

/* Brings the mock /sys to where the model is, and looks again when the model next changes by itself. */
void kiln_front_follow(struct plug *plug);

/* Answers the ioctls on the device's node from now on. */
void kiln_front_serve(struct appearance *device);

/* Makes and takes away the serial port of a communications device. */
void kiln_front_add_port(struct appearance *device, const char *interface);
void kiln_front_remove_port(struct appearance *device);
void kiln_front_free_port(struct appearance *device);

void kiln_front_make_node(UMockdevTestbed *bed, const char *node);
void kiln_front_remove_node(UMockdevTestbed *bed, const char *node);

#endif
