/* SPDX-License-Identifier: MIT */
/* Devices that are plugged in and give no port, or are disturbed in their work. */
#include "base/bytes.h"
#include "chip/usb_ids.h"
#include "doctor/doctor.h"
#include "os/port.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

static void name_usb(struct doctor_facts *facts, const struct doctor_usb *usb)
{
    snprintf(facts->device, sizeof facts->device, "usb:%s (%04x:%04x %s)", usb->place, usb->vid,
             usb->pid, usb->title);
}

static bool has_no_port(const struct doctor_usb *usb)
{
    return usb->wants_port && !usb->has_port;
}

static bool is_brltty_here(const struct doctor *doctor)
{
    return kiln_process_runs_in(doctor->root, "brltty");
}

/* brltty opens the device by libusb, which unbinds the driver: no port, and no driver either. */
void doctor_test_brltty(struct doctor *doctor, const struct doctor_check *check)
{
    if (!is_brltty_here(doctor))
        return;
    for (size_t i = 0; i < doctor->usb_count; i++) {
        struct doctor_facts facts = {0};

        if (!has_no_port(&doctor->usb[i]))
            continue;
        name_usb(&facts, &doctor->usb[i]);
        doctor_report(doctor, check, &facts);
    }
}

void doctor_test_brltty_rule(struct doctor *doctor, const struct doctor_check *check)
{
    struct doctor_facts facts = {0};
    const char *name;

    if (!doctor_rule_brltty(doctor, facts.file, sizeof facts.file))
        return;
    name = strrchr(facts.file, '/') + 1;
    snprintf(facts.target, sizeof facts.target, "/etc/udev/rules.d/%.200s", name);
    /* A file in /etc is the user's own: a link cannot stand before it. */
    if (strcmp(facts.file, facts.target) != 0)
        doctor_report(doctor, check, &facts);
}

static void kernel_release(const struct doctor *doctor, char *release, size_t cap)
{
    if (!doctor_read(doctor, "/proc/sys/kernel/osrelease", release, cap))
        release[0] = '\0';
}

/* True if the modules of the running kernel are gone, as after an update without a restart. */
static bool modules_are_gone(const struct doctor *doctor, char *release, size_t cap)
{
    char path[PATH_MAX];

    kernel_release(doctor, release, cap);
    snprintf(path, sizeof path, "/lib/modules/%s", release);
    return release[0] != '\0' && doctor_exists(doctor, "/lib/modules") &&
           !doctor_exists(doctor, path);
}

void doctor_test_modules(struct doctor *doctor, const struct doctor_check *check)
{
    struct doctor_facts facts = {0};

    if (!modules_are_gone(doctor, facts.what, sizeof facts.what))
        return;
    for (size_t i = 0; i < doctor->usb_count; i++) {
        if (!has_no_port(&doctor->usb[i]))
            continue;
        name_usb(&facts, &doctor->usb[i]);
        doctor_report(doctor, check, &facts);
    }
}

void doctor_test_driver(struct doctor *doctor, const struct doctor_check *check)
{
    char release[128];

    if (is_brltty_here(doctor) || modules_are_gone(doctor, release, sizeof release))
        return;
    for (size_t i = 0; i < doctor->usb_count; i++) {
        const struct doctor_usb *usb = &doctor->usb[i];
        struct doctor_facts facts = {0};

        if (!has_no_port(usb) || usb->has_driver)
            continue;
        name_usb(&facts, usb);
        snprintf(facts.what, sizeof facts.what, "%s",
                 usb->cdc ? "cdc_acm" : kiln_usb_driver(usb->vid));
        if (facts.what[0] != '\0')
            doctor_report(doctor, check, &facts);
    }
}

/* True if udev's data say that ModemManager leaves the port alone. */
static bool is_left_alone(const struct doctor *doctor, const struct doctor_port *port)
{
    char value[16];

    doctor_udev_value(doctor, port->dev, "ID_MM_PORT_IGNORE", value, sizeof value);
    if (value[0] == '1')
        return true;
    doctor_udev_value(doctor, doctor->usb[port->usb].dev, "ID_MM_DEVICE_IGNORE", value,
                      sizeof value);
    return value[0] == '1';
}

void doctor_test_modem_manager(struct doctor *doctor, const struct doctor_check *check)
{
    if (!kiln_process_runs_in(doctor->root, "ModemManager"))
        return;
    for (size_t i = 0; i < doctor->port_count; i++) {
        const struct doctor_port *port = &doctor->ports[i];
        struct doctor_facts facts = {0};
        char candidate[16];

        if (port->usb < 0)
            continue;
        doctor_udev_value(doctor, port->dev, "ID_MM_CANDIDATE", candidate, sizeof candidate);
        if (candidate[0] != '1' || is_left_alone(doctor, port))
            continue;
        snprintf(facts.device, sizeof facts.device, "%s", port->node);
        doctor_report(doctor, check, &facts);
    }
}

void doctor_test_autosuspend(struct doctor *doctor, const struct doctor_check *check)
{
    for (size_t i = 0; i < doctor->usb_count; i++) {
        struct doctor_facts facts = {0};
        char control[16];

        snprintf(facts.file, sizeof facts.file, "/sys/bus/usb/devices/%s/power/control",
                 doctor->usb[i].place);
        (void)doctor_read(doctor, facts.file, control, sizeof control);
        if (strcmp(control, "auto") != 0)
            continue;
        name_usb(&facts, &doctor->usb[i]);
        doctor_report(doctor, check, &facts);
    }
}
