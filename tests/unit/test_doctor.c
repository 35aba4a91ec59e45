/* SPDX-License-Identifier: MIT */
/*
 * Every check of the doctor made true in a made-up system, and what it offers to run tried there. The
 * programs that the fixes call (sudo, usermod, udevadm, ...) are scripts that do to the made-up system what
 * the real ones do to a real one, so a wrong word in a fix leaves the finding where it is.
 */
#include "base/bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <kiln/kiln.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#define TREE_PATH 512
#define OTHER_UID 4242

struct tree {
    char root[64];
    uint32_t gids[2];
    struct kiln_doctor_system system;
    gid_t node_group; /* what the nodes of the tree belong to */
};

static void in_tree(const struct tree *tree, const char *path, char full[TREE_PATH])
{
    snprintf(full, TREE_PATH, "%s%s", tree->root, path);
    for (char *at = full + strlen(tree->root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        assert_true(mkdir(full, 0755) == 0 || errno == EEXIST);
        *at = '/';
    }
}

static void put_mode(const struct tree *tree, const char *path, const char *text, mode_t mode)
{
    char full[TREE_PATH];
    FILE *file;

    in_tree(tree, path, full);
    file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(full, mode), 0);
}

static void put(const struct tree *tree, const char *path, const char *text)
{
    put_mode(tree, path, text, 0644);
}

static void put_link(const struct tree *tree, const char *path, const char *target)
{
    char full[TREE_PATH];

    in_tree(tree, path, full);
    assert_int_equal(symlink(target, full), 0);
}

/* A device node: an ordinary file, since only owner, group and mode are looked at. */
static void put_node(const struct tree *tree, const char *path, mode_t mode)
{
    char full[TREE_PATH];

    put(tree, path, "");
    in_tree(tree, path, full);
    if (geteuid() == 0)
        assert_int_equal(chown(full, 0, tree->node_group), 0);
    assert_int_equal(chmod(full, mode), 0);
}

static int run(const struct tree *tree, const char *command)
{
    char path[2 * TREE_PATH], root[TREE_PATH];
    char *environment[] = {path, root, NULL};
    const char *words[] = {"sh", "-c", command, NULL};
    int status;
    pid_t pid;

    snprintf(path, sizeof path, "PATH=%s/bin:%s/usr/bin:/usr/bin:/bin", tree->root, tree->root);
    snprintf(root, sizeof root, "ROOT=%s", tree->root);
    assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, (char *const *)words, environment),
                     0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The programs of the made-up system. */
static void put_programs(const struct tree *tree)
{
    char *rules = kiln_udev_rules();

    assert_non_null(rules);
    put(tree, "/rules", rules);
    free(rules);
    put_mode(tree, "/bin/sudo", "#!/bin/sh\necho \"$*\" >>$ROOT/sudo.log\nexec \"$@\"\n", 0755);
    put_mode(tree, "/bin/kiln", "#!/bin/sh\n[ \"$*\" = 'help udev-rules' ] && cat $ROOT/rules\n",
             0755);
    put_mode(tree, "/bin/usermod",
             "#!/bin/sh\n[ \"$1\" = -aG ] && sed -i \"s/^$2:.*:$/&$3/\" $ROOT/etc/group\n", 0755);
    /* A trigger applies the rules: the nodes are opened, and ModemManager is told. */
    put_mode(tree, "/bin/udevadm",
             "#!/bin/sh\n[ \"$1\" = control ] && exit 0\n[ \"$1 $2\" = 'trigger --action=add' ] || "
             "exit 1\n"
             "chmod 0666 $ROOT/dev/bus/usb/001/* 2>/dev/null\n"
             "[ -d $ROOT/run/udev/data ] && cat $ROOT/*/udev/rules.d/70-kiln.rules "
             "$ROOT/usr/lib/udev/rules.d/*kiln* 2>/dev/null | grep -q MM_PORT &&\n"
             "    echo 'E:ID_MM_PORT_IGNORE=1' >>$ROOT/run/udev/data/c188:0\nexit 0\n",
             0755);
    put_mode(tree, "/bin/systemctl",
             "#!/bin/sh\ncase $* in\n'stop klipper.service') rm -r $ROOT/proc/4194812 ;;\n"
             "'--user stop octoprint.service') rm -r $ROOT/proc/4194812 ;;\n"
             "'mask --now brltty.service '*) rm -r $ROOT/proc/77 ;;\n*) exit 1 ;;\nesac\n",
             0755);
    put_mode(tree, "/bin/kill", "#!/bin/sh\nrm -r $ROOT/proc/$1\n", 0755);
    put_mode(tree, "/bin/setfacl", "#!/bin/sh\n[ \"$1 $2\" = '-m u:you:rw' ] && chmod 0666 $3\n",
             0755);
    put_mode(
        tree, "/usr/bin/pipx",
        "#!/bin/sh\n[ \"$*\" = 'uninstall esptool' ] && rm $ROOT/home/you/.local/bin/esptool*\n",
        0755);
    put_mode(tree, "/bin/modprobe",
             "#!/bin/sh\n[ \"$1\" = ch341 ] && mkdir -p $ROOT/sys/bus/usb/devices/1-3:1.0/driver\n",
             0755);
}

/* A computer where nothing stands in the way: one bridge on USB port 1-3 with its serial port. */
static void put_board(const struct tree *tree)
{
    put(tree, "/sys/bus/usb/devices/1-3/idVendor", "1a86\n");
    put(tree, "/sys/bus/usb/devices/1-3/idProduct", "7523\n");
    put(tree, "/sys/bus/usb/devices/1-3/bDeviceClass", "ff\n");
    put(tree, "/sys/bus/usb/devices/1-3/busnum", "1\n");
    put(tree, "/sys/bus/usb/devices/1-3/devnum", "4\n");
    put(tree, "/sys/bus/usb/devices/1-3/dev", "189:3\n");
    put(tree, "/sys/bus/usb/devices/1-3/product", "USB Serial\n");
    put(tree, "/sys/bus/usb/devices/1-3/power/control", "on\n");
    put(tree, "/sys/bus/usb/devices/1-3:1.0/bInterfaceClass", "ff\n");
    put_node(tree, "/dev/bus/usb/001/004", 0664);
}

static void put_port(const struct tree *tree)
{
    put(tree, "/sys/bus/usb/devices/1-3:1.0/driver/module", "");
    put(tree, "/sys/devices/usb1/1-3/1-3:1.0/ttyUSB0/tty/ttyUSB0/dev", "188:0\n");
    put(tree, "/sys/devices/usb1/1-3/1-3:1.0/ttyUSB0/tty/ttyUSB0/device/x", "");
    put_link(tree, "/sys/class/tty/ttyUSB0", "../../devices/usb1/1-3/1-3:1.0/ttyUSB0/tty/ttyUSB0");
    put_node(tree, "/dev/ttyUSB0", 0666);
    put(tree, "/run/udev/data/c188:0", "E:ID_MM_CANDIDATE=1\n");
}

static void put_dfu(const struct tree *tree, mode_t mode)
{
    put(tree, "/sys/bus/usb/devices/1-2/idVendor", "0483\n");
    put(tree, "/sys/bus/usb/devices/1-2/idProduct", "df11\n");
    put(tree, "/sys/bus/usb/devices/1-2/busnum", "1\n");
    put(tree, "/sys/bus/usb/devices/1-2/devnum", "5\n");
    put(tree, "/sys/bus/usb/devices/1-2:1.0/bInterfaceClass", "fe\n");
    put(tree, "/sys/bus/usb/devices/1-2:1.0/bInterfaceSubClass", "01\n");
    put_node(tree, "/dev/bus/usb/001/005", mode);
}

static void put_rules(const struct tree *tree, const char *path)
{
    char *rules = kiln_udev_rules();

    assert_non_null(rules);
    put(tree, path, rules);
    free(rules);
}

static void put_process(const struct tree *tree, int pid, const char *name)
{
    char path[64], text[64];

    snprintf(path, sizeof path, "/proc/%d/comm", pid);
    snprintf(text, sizeof text, "%s\n", name);
    put(tree, path, text);
}

static void put_holder(const struct tree *tree, const char *group)
{
    put_process(tree, 4194812, "klippy");
    put(tree, "/proc/4194812/cgroup", group);
    put_link(tree, "/proc/4194812/fd/7", "/dev/ttyUSB0");
}

static void make_tree(struct tree *tree)
{
    char group[64];

    memset(tree, 0, sizeof *tree);
    snprintf(tree->root, sizeof tree->root, "/tmp/kiln-doctor-XXXXXX");
    assert_non_null(mkdtemp(tree->root));
    tree->node_group = geteuid() == 0 ? 20 : getegid();
    tree->gids[0] = OTHER_UID;
    tree->gids[1] = tree->node_group;
    tree->system = (struct kiln_doctor_system){.root = tree->root,
                                               .home = "/home/you",
                                               .path = "/usr/bin:/bin",
                                               .user = "you",
                                               .gids = tree->gids,
                                               .gid_count = 1,
                                               .uid = OTHER_UID};
    put_programs(tree);
    put_rules(tree, "/usr/lib/udev/rules.d/70-kiln.rules");
    put(tree, "/usr/lib/udev/rules.d/73-seat-late.rules",
        "TAG==\"uaccess\", RUN{builtin}+=\"uaccess\"\n");
    snprintf(group, sizeof group, "dialout:x:%u:\n", (unsigned)tree->node_group);
    put(tree, "/etc/group", group);
    put(tree, "/proc/sys/kernel/osrelease", "6.1.0-18-amd64\n");
    put(tree, "/etc/udev/rules.d/README", "");
}

static void drop_tree(struct tree *tree)
{
    char command[TREE_PATH];

    snprintf(command, sizeof command, "rm -rf %s", tree->root);
    assert_int_equal(run(tree, command), 0);
}

static struct kiln_doctor_report look(const struct tree *tree)
{
    struct kiln_doctor_report report;
    struct kiln_error error;

    assert_int_equal(kiln_doctor_run(&tree->system, &report, &error), KILN_OK);
    return report;
}

static const struct kiln_finding *find(const struct kiln_doctor_report *report, const char *check)
{
    for (size_t i = 0; i < report->count; i++) {
        if (strcmp(report->findings[i].check, check) == 0)
            return &report->findings[i];
    }
    return NULL;
}

/* ---- the cases: one for each check ---- */

static void make_container(struct tree *tree)
{
    char full[TREE_PATH];

    put_port(tree);
    in_tree(tree, "/dev/ttyUSB0", full);
    assert_int_equal(unlink(full), 0);
    put(tree, "/.dockerenv", "");
}

static void make_wsl(struct tree *tree)
{
    put(tree, "/proc/sys/kernel/osrelease", "5.15.90.1-microsoft-standard-WSL2\n");
}

static void make_vm(struct tree *tree)
{
    put(tree, "/sys/class/dmi/id/sys_vendor", "innotek GmbH\n");
    put(tree, "/sys/class/dmi/id/product_name", "VirtualBox\n");
}

/* A keyboard, a hub, and the computer's own port are no board. */
static void make_no_device(struct tree *tree)
{
    put(tree, "/sys/bus/usb/devices/1-1/idVendor", "046d\n");
    put(tree, "/sys/bus/usb/devices/1-1/idProduct", "c31c\n");
    put(tree, "/sys/bus/usb/devices/usb1/bDeviceClass", "09\n");
    put(tree, "/sys/bus/usb/devices/1-9/bDeviceClass", "09\n");
    put(tree, "/sys/class/tty/ttyS0/device/x", "");
    put(tree, "/sys/class/tty/ttyS0/type", "4\n");
}

static void make_brltty(struct tree *tree)
{
    put_board(tree);
    put_process(tree, 77, "brltty");
}

static void make_brltty_rule(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put(tree, "/usr/lib/udev/rules.d/85-brltty.rules",
        "# ENV{PRODUCT}==\"403/6001/*\"\nENV{PRODUCT}==\"1a86/7523/*\", "
        "ENV{BRLTTY_BRAILLE_DRIVER}=\"bm\"\n");
}

static void make_modules(struct tree *tree)
{
    put_board(tree);
    put(tree, "/lib/modules/6.1.0-20-amd64/modules.dep", "");
}

static void make_driver(struct tree *tree)
{
    put_board(tree);
    put(tree, "/lib/modules/6.1.0-18-amd64/modules.dep", "");
}

static void make_group(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put_node(tree, "/dev/ttyUSB0", 0660);
}

static void make_log_in(struct tree *tree)
{
    char group[64];

    make_group(tree);
    snprintf(group, sizeof group, "dialout:x:%u:pi,you\n", (unsigned)tree->node_group);
    put(tree, "/etc/group", group);
}

static void make_shadowed(struct tree *tree)
{
    put_dfu(tree, 0600);
    put_link(tree, "/etc/udev/rules.d/70-kiln.rules", "/dev/null");
}

static void make_late(struct tree *tree)
{
    char full[TREE_PATH];

    put_dfu(tree, 0600);
    in_tree(tree, "/usr/lib/udev/rules.d/70-kiln.rules", full);
    assert_int_equal(unlink(full), 0);
    put_rules(tree, "/etc/udev/rules.d/99-kiln.rules");
}

static void make_replug(struct tree *tree)
{
    put_dfu(tree, 0600);
}

static void make_missing(struct tree *tree)
{
    char full[TREE_PATH];

    put_dfu(tree, 0600);
    in_tree(tree, "/usr/lib/udev/rules.d/70-kiln.rules", full);
    assert_int_equal(unlink(full), 0);
}

static void make_own_rules(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put(tree, "/etc/udev/rules.d/70-kiln.rules", "# an old one\n");
}

static void make_service(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put_holder(tree, "0::/system.slice/klipper.service\n");
}

static void make_busy(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put_holder(tree, "0::/user.slice/user-1000.slice/session-2.scope\n");
}

static void make_own_service(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put_holder(tree,
               "12:pids:/user.slice/user-1000.slice/user@1000.service\n"
               "0::/user.slice/user-1000.slice/user@1000.service/app.slice/octoprint.service\n");
}

static void make_lock_file(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put(tree, "/run/lock/LCK..ttyUSB0", "      9999\n");
}

static void make_modem_manager(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put_process(tree, 640, "ModemManager");
}

static void make_autosuspend(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put(tree, "/sys/bus/usb/devices/1-3/power/control", "auto\n");
}

static void make_pio(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put_mode(tree, "/home/you/.platformio/penv/bin/pio", "#!/bin/sh\n", 0755);
    tree->system.path = "/usr/bin:/home/you/.local/bin";
}

static void make_look_alike(struct tree *tree)
{
    put_board(tree);
    put_port(tree);
    put_mode(tree, "/home/you/.local/bin/esptool.py",
             "#!/home/you/.local/share/pipx/venvs/esptool/bin/python\nimport esptool\n", 0755);
    put_mode(tree, "/usr/bin/kiln", "", 0755);
    put_link(tree, "/usr/bin/esptool.py", "kiln");
    tree->system.path = "/home/you/.local/bin:/usr/bin";
}

static const struct {
    const char *check;
    void (*make)(struct tree *tree);
    enum kiln_status status; /* of the whole report */
    const char *evidence;    /* a part of it */
    const char *
        after; /* the check that speaks after the fix; NULL if there is no fix, "" if none speaks */
} cases[] = {
    {"container", make_container, KILN_E_DENIED, "/dev/ttyUSB0 is plugged in", NULL},
    {"wsl", make_wsl, KILN_E_NO_DEVICE, "WSL", NULL},
    {"vm", make_vm, KILN_E_NO_DEVICE, "VirtualBox", NULL},
    {"no-device", make_no_device, KILN_E_NO_DEVICE, "1 USB device, but no board", NULL},
    {"brltty", make_brltty, KILN_E_NO_DEVICE, "usb:1-3 (1a86:7523 USB Serial)", "driver"},
    {"brltty-rule", make_brltty_rule, KILN_OK, "/usr/lib/udev/rules.d/85-brltty.rules", ""},
    {"modules", make_modules, KILN_E_NO_DEVICE, "6.1.0-18-amd64", NULL},
    {"driver", make_driver, KILN_E_NO_DEVICE, "ch341", ""},
    {"group", make_group, KILN_E_DENIED, "/dev/ttyUSB0 belongs to group dialout", "log-in"},
    {"log-in", make_log_in, KILN_E_DENIED, "began before you joined", ""},
    {"udev-rule-shadowed", make_shadowed, KILN_E_DENIED, "/etc/udev/rules.d/70-kiln.rules hides",
     ""},
    {"udev-rule-late", make_late, KILN_E_DENIED, "/etc/udev/rules.d/99-kiln.rules comes after", ""},
    {"udev-rule-replug", make_replug, KILN_E_DENIED, "/usr/lib/udev/rules.d/70-kiln.rules", ""},
    {"udev-rule", make_missing, KILN_E_DENIED, "/dev/bus/usb/001/005", ""},
    {"own-rules", make_own_rules, KILN_OK, "another version", ""},
    {"busy-service", make_service, KILN_E_BUSY, "klippy (process 4194812, klipper.service)", ""},
    {"busy-own-service", make_own_service, KILN_E_BUSY,
     "klippy (process 4194812, octoprint.service), a service of your", ""},
    {"busy", make_busy, KILN_E_BUSY, "klippy (process 4194812)", ""},
    {"lock-file", make_lock_file, KILN_OK, "process 9999", ""},
    {"modem-manager", make_modem_manager, KILN_OK, "/dev/ttyUSB0", ""},
    {"autosuspend", make_autosuspend, KILN_OK, "usb:1-3", ""},
    {"pio", make_pio, KILN_OK, "/home/you/.platformio/penv/bin/pio", ""},
    {"look-alike", make_look_alike, KILN_OK, "/home/you/.local/bin/esptool.py", ""},
};

static void try_fix(const struct tree *tree, const char *check, const char *fix, const char *after)
{
    struct kiln_doctor_report report;

    if (run(tree, fix) != 0)
        fail_msg("%s: fix failed: %s", check, fix);
    report = look(tree);
    if (find(&report, check) != NULL)
        fail_msg("%s: still there after %s", check, fix);
    if (after[0] != '\0' && find(&report, after) == NULL)
        fail_msg("%s: no %s after %s", check, after, fix);
    if (after[0] == '\0' && kiln_doctor_status(&report) != KILN_OK)
        fail_msg("%s: %s after %s", check, report.findings[0].evidence, fix);
    kiln_doctor_report_free(&report);
}

static void each_check_speaks_and_its_fix_mends(void **state)
{
    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(cases); i++) {
        const struct kiln_finding *finding;
        struct kiln_doctor_report report;
        struct tree tree;

        make_tree(&tree);
        cases[i].make(&tree);
        report = look(&tree);
        finding = find(&report, cases[i].check);
        if (finding == NULL)
            fail_msg("%s: nothing found; first: %s", cases[i].check,
                     report.count > 0 ? report.findings[0].evidence : "nothing");
        if (strstr(finding->evidence, cases[i].evidence) == NULL)
            fail_msg("%s: %s", cases[i].check, finding->evidence);
        assert_int_equal(kiln_doctor_status(&report), cases[i].status);
        assert_true(finding->advice[0] != '\0');
        assert_null(strchr(finding->evidence, '{'));
        assert_null(strchr(finding->fix, '{'));
        /* A fix, or why there is none. */
        assert_true((finding->fix[0] == '\0') == (finding->reason[0] != '\0'));
        assert_null(strchr(finding->reason, '{'));
        if (cases[i].after == NULL)
            assert_string_equal(finding->fix, "");
        else
            try_fix(&tree, cases[i].check, finding->fix, cases[i].after);
        kiln_doctor_report_free(&report);
        drop_tree(&tree);
    }
}

static void every_check_has_its_case(void **state)
{
    const char *name, *title;
    size_t count = 0;

    (void)state;
    for (; kiln_doctor_check_at(count, &name, &title); count++) {
        assert_true(count < KILN_ARRAY_LEN(cases));
        assert_string_equal(name, cases[count].check);
        assert_true(title[0] != '\0');
    }
    assert_int_equal(count, KILN_ARRAY_LEN(cases));
}

static void a_computer_in_order_gives_no_finding(void **state)
{
    struct kiln_doctor_report report;
    struct tree tree;

    (void)state;
    make_tree(&tree);
    put_board(&tree);
    put_port(&tree);
    put_dfu(&tree, 0666);
    put(&tree, "/sys/class/dmi/id/sys_vendor", "QEMU\n"); /* a guest that has its devices */
    put(&tree, "/.dockerenv", "");
    put(&tree, "/run/lock/LCK..ttyUSB0", "4194812\n"); /* its process lives */
    put_process(&tree, 4194812, "minicom");
    report = look(&tree);
    if (report.count > 0)
        fail_msg("%s: %s", report.findings[0].check, report.findings[0].evidence);
    kiln_doctor_report_free(&report);
    drop_tree(&tree);
}

static bool is_denied(const struct tree *tree)
{
    struct kiln_doctor_report report = look(tree);
    bool denied = kiln_doctor_status(&report) == KILN_E_DENIED;

    kiln_doctor_report_free(&report);
    return denied;
}

static void who_may_open_a_node_is_judged_as_the_kernel_does(void **state)
{
    /* mask rw, an entry for the user OTHER_UID with rw; linux/posix_acl_xattr.h */
    uint8_t acl[] = {2, 0,    0,   0,   1,   0,   6,    0, 255, 255, 255, 255, 2,   0,    6,
                     0, 0x92, 16,  0,   0,   4,   0,    6, 0,   255, 255, 255, 255, 0x10, 0,
                     6, 0,    255, 255, 255, 255, 0x20, 0, 0,   0,   255, 255, 255, 255};
    char full[TREE_PATH];
    struct tree tree;

    (void)state;
    make_tree(&tree);
    make_group(&tree);
    assert_true(is_denied(&tree));
    tree.system.gid_count = 2; /* in the group */
    assert_false(is_denied(&tree));
    tree.system.gid_count = 1;
    tree.system.uid = 0;
    assert_false(is_denied(&tree));
    tree.system.uid = OTHER_UID;
    in_tree(&tree, "/dev/ttyUSB0", full);
    assert_int_equal(chmod(full, 0640), 0);
    assert_true(is_denied(&tree));
    if (setxattr(full, "system.posix_acl_access", acl, sizeof acl, 0) == 0) {
        assert_false(is_denied(&tree));
        tree.system.uid = OTHER_UID + 1;
        assert_true(is_denied(&tree));
    }
    drop_tree(&tree);
}

static void a_name_that_a_shell_would_read_gets_no_fix(void **state)
{
    const struct kiln_finding *finding;
    struct kiln_doctor_report report;
    struct tree tree;

    (void)state;
    make_tree(&tree);
    make_group(&tree);
    tree.system.user = "you; rm -rf x";
    report = look(&tree);
    finding = find(&report, "group");
    assert_non_null(finding);
    assert_string_equal(finding->fix, "");
    assert_non_null(strstr(finding->reason, "shell"));
    kiln_doctor_report_free(&report);
    drop_tree(&tree);
}

static void without_the_means_there_is_a_reason(void **state)
{
    const struct kiln_finding *finding;
    struct kiln_doctor_report report;
    char full[TREE_PATH];
    struct tree tree;

    (void)state;
    make_tree(&tree);
    make_log_in(&tree);
    in_tree(&tree, "/bin/setfacl", full);
    assert_int_equal(unlink(full), 0);
    report = look(&tree);
    finding = find(&report, "log-in");
    assert_string_equal(finding->fix, "");
    assert_non_null(strstr(finding->reason, "setfacl"));
    kiln_doctor_report_free(&report);
    drop_tree(&tree);
}

/* How a Python program came is read from its first line. */
static void an_esptool_in_front_is_uninstalled_as_it_was_installed(void **state)
{
    static const struct {
        const char *first_line, *fix;
    } samples[] = {
        {"#!/home/you/.local/share/pipx/venvs/esptool/bin/python\n", "pipx uninstall esptool"},
        {"#!/usr/bin/python3\n", "/usr/bin/python3 -m pip uninstall -y esptool"},
        {"#!/usr/bin/python3;reboot\n", ""},
        {"#!/bin/sh\n", ""},
        {"\177ELF", ""},
    };

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(samples); i++) {
        const struct kiln_finding *finding;
        struct kiln_doctor_report report;
        struct tree tree;

        make_tree(&tree);
        make_look_alike(&tree);
        put_mode(&tree, "/home/you/.local/bin/esptool.py", samples[i].first_line, 0755);
        report = look(&tree);
        finding = find(&report, "look-alike");
        assert_non_null(finding);
        assert_string_equal(finding->fix, samples[i].fix);
        assert_true((finding->fix[0] == '\0') == (finding->reason[0] != '\0'));
        kiln_doctor_report_free(&report);
        drop_tree(&tree);
    }
}

/* Where a check could tell more, the error points to it. */
static void hints_point_to_the_doctor(void **state)
{
    static const enum kiln_hint hints[] = {KILN_HINT_CONNECT_DEVICE, KILN_HINT_PERMISSION,
                                           KILN_HINT_JOIN_GROUP,     KILN_HINT_LOG_IN_AGAIN,
                                           KILN_HINT_UDEV_RULE,      KILN_HINT_CONTAINER,
                                           KILN_HINT_NO_DRIVER,      KILN_HINT_CHECK_CABLE,
                                           KILN_HINT_PORT_BUSY,      KILN_HINT_ESP_NO_REPLY};

    (void)state;
    for (size_t i = 0; i < KILN_ARRAY_LEN(hints); i++)
        assert_non_null(strstr(kiln_hint_text(hints[i]), "kiln doctor"));
}

static void several_devices_with_one_cause_are_one_finding(void **state)
{
    struct kiln_doctor_report report;
    struct tree tree;

    (void)state;
    make_tree(&tree);
    make_group(&tree);
    put(&tree, "/sys/class/tty/ttyACM0/device/x", "");
    put_node(&tree, "/dev/ttyACM0", 0660);
    report = look(&tree);
    assert_int_equal(report.count, 1);
    assert_non_null(strstr(report.findings[0].evidence, "/dev/ttyACM0, /dev/ttyUSB0 belongs"));
    kiln_doctor_report_free(&report);
    drop_tree(&tree);
}

static void root_is_offered_commands_without_sudo(void **state)
{
    const struct kiln_finding *finding;
    struct kiln_doctor_report report;
    struct tree tree;

    (void)state;
    make_tree(&tree);
    make_driver(&tree);
    report = look(&tree);
    finding = find(&report, "driver");
    assert_string_equal(finding->fix, "sudo modprobe ch341");
    kiln_doctor_report_free(&report);
    tree.system.uid = 0;
    report = look(&tree);
    finding = find(&report, "driver");
    assert_string_equal(finding->fix, "modprobe ch341");
    kiln_doctor_report_free(&report);
    drop_tree(&tree);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_check_has_its_case),
        cmocka_unit_test(each_check_speaks_and_its_fix_mends),
        cmocka_unit_test(a_computer_in_order_gives_no_finding),
        cmocka_unit_test(who_may_open_a_node_is_judged_as_the_kernel_does),
        cmocka_unit_test(a_name_that_a_shell_would_read_gets_no_fix),
        cmocka_unit_test(without_the_means_there_is_a_reason),
        cmocka_unit_test(an_esptool_in_front_is_uninstalled_as_it_was_installed),
        cmocka_unit_test(hints_point_to_the_doctor),
        cmocka_unit_test(several_devices_with_one_cause_are_one_finding),
        cmocka_unit_test(root_is_offered_commands_without_sudo),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
