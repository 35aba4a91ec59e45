/* SPDX-License-Identifier: MIT */
#include "os/pty.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum kiln_status set_raw(struct kiln_ctx *ctx, int fd)
{
    struct termios2 tio;

    if (ioctl(fd, TCGETS2, &tio) != 0)
        return kiln_fail(ctx, KILN_E_IO, "cannot set up a pseudo-terminal: %s", strerror(errno));
    tio.c_iflag = 0;
    tio.c_oflag = 0;
    tio.c_lflag = 0;
    tio.c_cflag = CS8 | CREAD | CLOCAL | B115200 | B115200 << IBSHIFT;
    if (ioctl(fd, TCSETS2, &tio) != 0)
        return kiln_fail(ctx, KILN_E_IO, "cannot set up a pseudo-terminal: %s", strerror(errno));
    return KILN_OK;
}

static enum kiln_status make_link(struct kiln_ctx *ctx, const char *link, struct kiln_pty *pty)
{
    struct stat info;

    if (strlen(link) >= sizeof pty->link)
        return kiln_fail(ctx, KILN_E_ARG, "the name %.40s... is too long", link);
    if (lstat(link, &info) == 0 && S_ISLNK(info.st_mode))
        unlink(link);
    if (symlink(pty->path, link) != 0)
        return kiln_fail(ctx, KILN_E_IO, "cannot make the link %s: %s", link, strerror(errno));
    snprintf(pty->link, sizeof pty->link, "%s", link);
    return KILN_OK;
}

static enum kiln_status set_up(struct kiln_ctx *ctx, const char *link, struct kiln_pty *pty)
{
    enum kiln_status status;
    int slave;

    if (pty->master < 0 || grantpt(pty->master) != 0 || unlockpt(pty->master) != 0 ||
        ptsname_r(pty->master, pty->path, sizeof pty->path) != 0 ||
        fcntl(pty->master, F_SETFL, O_NONBLOCK) != 0)
        return kiln_fail(ctx, KILN_E_IO, "cannot make a pseudo-terminal: %s", strerror(errno));
    slave = open(pty->path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return kiln_fail(ctx, KILN_E_IO, "cannot open %s: %s", pty->path, strerror(errno));
    status = set_raw(ctx, slave);
    close(slave); /* from now on the master sees a hang-up while nobody has the terminal open */
    KILN_TRY(status);
    return link != NULL ? make_link(ctx, link, pty) : KILN_OK;
}

enum kiln_status kiln_pty_open(struct kiln_ctx *ctx, const char *link, struct kiln_pty *out_pty)
{
    memset(out_pty, 0, sizeof *out_pty);
    out_pty->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (set_up(ctx, link, out_pty) == KILN_OK)
        return KILN_OK;
    kiln_pty_close(out_pty);
    return ctx->error.status;
}

void kiln_pty_close(struct kiln_pty *pty)
{
    if (pty->link[0] != '\0')
        unlink(pty->link);
    if (pty->master >= 0)
        close(pty->master);
    pty->master = -1;
}

bool kiln_pty_in_use(const struct kiln_pty *pty)
{
    struct pollfd fd = {.fd = pty->master, .events = POLLIN};

    return poll(&fd, 1, 0) <= 0 || (fd.revents & POLLHUP) == 0 || (fd.revents & POLLIN) != 0;
}

uint32_t kiln_pty_baud(const struct kiln_pty *pty)
{
    struct termios2 tio;

    /* Asked at the master, TCGETS2 gives the terminal's settings. */
    if (ioctl(pty->master, TCGETS2, &tio) != 0 || tio.c_ospeed == 0)
        return 115200;
    return tio.c_ospeed;
}
