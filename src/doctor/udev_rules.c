/* SPDX-License-Identifier: MIT */
/* The rule file for udev, made of the tables of USB ids and DFU quirks. */
#include "base/buf.h"
#include "chip/dfu_quirks.h"
#include "chip/usb_ids.h"

#include <kiln/doctor.h>
#include <stdlib.h>

#define TEXT_MAX 65536

static const char head[] =
    "# Boards, bootloaders and debug probes that Kiln knows, for whoever sits at the computer.\n"
    "# Made by `kiln help udev-rules` from the program's own tables; changes get lost.\n"
    "#\n"
    "# The number of this file must stay below 73: 73-seat-late.rules turns the uaccess tag into "
    "an\n"
    "# access list. The group is for people who log in over a network, or have no seat for another "
    "reason.\n"
    "\n"
    "ACTION==\"remove\", GOTO=\"kiln_end\"\n"
    "SUBSYSTEM==\"usb\", ENV{DEVTYPE}!=\"usb_device\", GOTO=\"kiln_end\"\n"
    "SUBSYSTEM!=\"usb|tty|hidraw\", GOTO=\"kiln_end\"\n"
    "\n"
    "# every DFU bootloader, and every CMSIS-DAP probe\n"
    "ENV{ID_USB_INTERFACES}==\"*:fe0102:*\", ENV{ID_KILN}=\"1\"\n"
    "ATTRS{product}==\"*CMSIS-DAP*\", ENV{ID_KILN}=\"1\"\n"
    "\n";

/* The group of a tty is left as the system chose it (dialout, uucp). */
static const char tail[] =
    "\n"
    "ENV{ID_KILN}!=\"1\", GOTO=\"kiln_end\"\n"
    "SUBSYSTEM==\"tty\", MODE=\"0660\", TAG+=\"uaccess\", ENV{ID_MM_PORT_IGNORE}=\"1\"\n"
    "SUBSYSTEM==\"usb\", GROUP=\"plugdev\", MODE=\"0660\", TAG+=\"uaccess\", "
    "ENV{ID_MM_DEVICE_IGNORE}=\"1\"\n"
    "SUBSYSTEM==\"hidraw\", GROUP=\"plugdev\", MODE=\"0660\", TAG+=\"uaccess\"\n"
    "\n"
    "LABEL=\"kiln_end\"\n";

static enum kiln_status put_ids(struct kiln_buf *text)
{
    const struct kiln_usb_id *id;

    for (size_t i = 0; (id = kiln_usb_id_at(i)) != NULL; i++) {
        enum kiln_status status;

        if (id->pid == KILN_USB_ANY_PID)
            status = kiln_buf_printf(text, "# %s\nATTRS{idVendor}==\"%04x\", ENV{ID_KILN}=\"1\"\n",
                                     id->title, id->vid);
        else
            status = kiln_buf_printf(text,
                                     "# %s\nATTRS{idVendor}==\"%04x\", "
                                     "ATTRS{idProduct}==\"%04x\", ENV{ID_KILN}=\"1\"\n",
                                     id->title, id->vid, (unsigned)id->pid);
        if (status != KILN_OK)
            return status;
    }
    return KILN_OK;
}

static enum kiln_status put_quirk(struct kiln_buf *text, const struct kiln_dfu_quirk *quirk)
{
    enum kiln_status status = KILN_OK;

    if ((quirk->flags & KILN_DFU_QUIRK_UNSUPPORTED) != 0 ||
        kiln_usb_id_find(quirk->vid, quirk->pid_first) != NULL)
        return KILN_OK;
    /* A whole vendor sells more than bootloaders. */
    if (quirk->pid_first == 0 && quirk->pid_last == UINT16_MAX)
        return kiln_buf_printf(text,
                               "ATTRS{idVendor}==\"%04x\", "
                               "ENV{ID_USB_INTERFACES}==\"*:fe01*\", ENV{ID_KILN}=\"1\"\n",
                               quirk->vid);
    for (uint32_t pid = quirk->pid_first; pid <= quirk->pid_last && status == KILN_OK; pid++)
        status = kiln_buf_printf(text, "%s%04x",
                                 pid == quirk->pid_first ? "ATTRS{idProduct}==\"" : "|", pid);
    if (status != KILN_OK)
        return status;
    return kiln_buf_printf(text, "\", ATTRS{idVendor}==\"%04x\", ENV{ID_KILN}=\"1\"\n", quirk->vid);
}

char *kiln_udev_rules(void)
{
    const struct kiln_dfu_quirk *quirk;
    struct kiln_buf text;
    enum kiln_status status;

    kiln_buf_init(&text, TEXT_MAX);
    status = kiln_buf_printf(&text, "%s", head);
    if (status == KILN_OK)
        status = put_ids(&text);
    if (status == KILN_OK)
        status = kiln_buf_printf(&text, "# other DFU devices, also while their application runs\n");
    for (size_t i = 0; status == KILN_OK && (quirk = kiln_dfu_quirk_at(i)) != NULL; i++)
        status = put_quirk(&text, quirk);
    if (status == KILN_OK)
        status = kiln_buf_printf(&text, "%s", tail);
    if (status == KILN_OK)
        status = kiln_buf_append(&text, "", 1);
    if (status == KILN_OK)
        return (char *)text.data;
    kiln_buf_dispose(&text);
    return NULL;
}
