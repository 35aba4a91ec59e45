/* SPDX-License-Identifier: MIT */
/* What kind of computer this is, and what else is installed on it. */
#include "base/bytes.h"
#include "doctor/doctor.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool nothing_is_there(const struct doctor *doctor)
{
    for (size_t i = 0; i < doctor->port_count; i++) {
        if (doctor->ports[i].plugged)
            return false;
    }
    return doctor->usb_count == 0;
}

static const char *container_sign(const struct doctor *doctor)
{
    static const char *const files[] = {"/.dockerenv", "/run/.containerenv",
                                        "/run/systemd/container"};
    static const char *const words[] = {"docker", "lxc", "kubepods", "libpod"};
    char text[4096];

    for (size_t i = 0; i < KILN_ARRAY_LEN(files); i++) {
        if (doctor_exists(doctor, files[i]))
            return files[i];
    }
    (void)doctor_read(doctor, "/proc/1/cgroup", text, sizeof text);
    for (size_t i = 0; i < KILN_ARRAY_LEN(words); i++) {
        if (strstr(text, words[i]) != NULL)
            return "/proc/1/cgroup";
    }
    return NULL;
}

/* A container shares /sys with its host, but not /dev. */
void doctor_test_container(struct doctor *doctor, const struct doctor_check *check)
{
    const char *sign = container_sign(doctor);
    struct doctor_facts facts = {0};

    if (sign == NULL)
        return;
    snprintf(facts.file, sizeof facts.file, "%s", sign);
    for (size_t i = 0; i < doctor->port_count; i++) {
        if (doctor_exists(doctor, doctor->ports[i].node))
            continue;
        snprintf(facts.device, sizeof facts.device, "%s", doctor->ports[i].node);
        doctor_report(doctor, check, &facts);
    }
    for (size_t i = 0; i < doctor->usb_count; i++) {
        if (doctor->usb[i].has_port || doctor_exists(doctor, doctor->usb[i].node))
            continue;
        snprintf(facts.device, sizeof facts.device, "%s", doctor->usb[i].node);
        doctor_report(doctor, check, &facts);
    }
}

static bool is_wsl(const struct doctor *doctor)
{
    char release[128];

    (void)doctor_read(doctor, "/proc/sys/kernel/osrelease", release, sizeof release);
    return strcasestr(release, "microsoft") != NULL;
}

void doctor_test_wsl(struct doctor *doctor, const struct doctor_check *check)
{
    if (is_wsl(doctor) && nothing_is_there(doctor))
        doctor_report(doctor, check, &(struct doctor_facts){0});
}

void doctor_test_vm(struct doctor *doctor, const struct doctor_check *check)
{
    static const char *const names[] = {
        "QEMU",  "KVM", "VMware",          "VirtualBox", "innotek",    "Parallels",
        "Bochs", "Xen", "Virtual Machine", "OpenStack",  "Amazon EC2", "Google Compute"};
    char text[192], product[96];
    size_t len;

    if (is_wsl(doctor) || !nothing_is_there(doctor))
        return;
    (void)doctor_read(doctor, "/sys/class/dmi/id/sys_vendor", text, 90);
    (void)doctor_read(doctor, "/sys/class/dmi/id/product_name", product, sizeof product);
    len = strlen(text);
    snprintf(text + len, sizeof text - len, " %s", product);
    for (size_t i = 0; i < KILN_ARRAY_LEN(names); i++) {
        struct doctor_facts facts = {0};

        if (strstr(text, names[i]) == NULL)
            continue;
        snprintf(facts.what, sizeof facts.what, "%.127s", text + strspn(text, " "));
        doctor_report(doctor, check, &facts);
        return;
    }
}

void doctor_test_no_device(struct doctor *doctor, const struct doctor_check *check)
{
    struct doctor_facts facts = {0};

    if (!nothing_is_there(doctor))
        return;
    if (doctor->usb_seen == 0)
        snprintf(facts.what, sizeof facts.what, "no USB device at all%s",
                 doctor->port_count > 0 ? ", only serial ports of its own" : "");
    else
        snprintf(facts.what, sizeof facts.what,
                 "%zu USB device%s, but no board, port or debug probe among them", doctor->usb_seen,
                 doctor->usb_seen == 1 ? "" : "s");
    doctor_report(doctor, check, &facts);
}

/* ---- programs on the search path ---- */

static bool is_program(const struct doctor *doctor, const char *path)
{
    char full[PATH_MAX];
    struct stat info;

    snprintf(full, sizeof full, "%s%s", doctor->root, path);
    return stat(full, &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 0111) != 0;
}

/* The folder of $PATH number `index` + "/" + name; false after the last. */
static bool path_entry(const struct doctor *doctor, size_t index, const char *name, char *path,
                       size_t cap)
{
    const char *at = doctor->path;

    for (; index > 0; index--) {
        at = strchr(at, ':');
        if (at == NULL)
            return false;
        at++;
    }
    snprintf(path, cap, "%.*s/%s", (int)strcspn(at, ":"), at, name);
    return true;
}

bool doctor_on_path(const struct doctor *doctor, const char *name)
{
    char path[PATH_MAX];

    for (size_t i = 0; path_entry(doctor, i, name, path, sizeof path); i++) {
        if (is_program(doctor, path))
            return true;
    }
    return false;
}

void doctor_test_pio(struct doctor *doctor, const struct doctor_check *check)
{
    struct doctor_facts facts = {0};
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/.platformio/penv/bin/pio", doctor->home);
    if (doctor->home[0] == '\0' || strlen(path) >= sizeof facts.file || !is_program(doctor, path) ||
        doctor_on_path(doctor, "pio") || doctor_on_path(doctor, "platformio"))
        return;
    snprintf(facts.file, sizeof facts.file, "%.255s", path);
    doctor_report(doctor, check, &facts);
}

/* True if the program at `path` is a link to this one. */
static bool is_kiln(const struct doctor *doctor, const char *path)
{
    char full[PATH_MAX], target[PATH_MAX];
    const char *name;
    ssize_t len;

    snprintf(full, sizeof full, "%s%s", doctor->root, path);
    len = readlink(full, target, sizeof target - 1);
    if (len <= 0)
        return false;
    target[len] = '\0';
    name = strrchr(target, '/');
    return strcmp(name == NULL ? target : name + 1, "kiln") == 0;
}

/* The command that takes a Python program away again, from the interpreter in its first line: that of a pipx
 * environment, or one whose user packages lie below the home. */
static void put_uninstall(const struct doctor *doctor, const char *path, struct doctor_facts *facts)
{
    char head[300];
    size_t end, home = strlen(doctor->home);

    if (!doctor_read(doctor, path, head, sizeof head) || strncmp(head, "#!/", 3) != 0)
        return;
    end = strcspn(head, " \t\n");
    if (head[end] == '\0' &&
        end + 1 == sizeof head) /* cut: the rest could make it another's name */
        return;
    head[end] = '\0';
    if (strstr(head, "/python") == NULL || !doctor_is_safe(head + 2, false))
        return;
    if (strstr(head, "/pipx/venvs/esptool/") != NULL)
        snprintf(facts->command, sizeof facts->command, "pipx uninstall esptool");
    else if (home > 0 && strncmp(path, doctor->home, home) == 0 && path[home] == '/' && end < 250)
        snprintf(facts->command, sizeof facts->command, "%.250s -m pip uninstall -y esptool",
                 head + 2);
}

/* Both this program under another's name and that other are there, and the other comes first. */
void doctor_test_esptool(struct doctor *doctor, const struct doctor_check *check)
{
    static const char *const names[] = {"esptool", "esptool.py", "dfu-util"};

    for (size_t n = 0; n < KILN_ARRAY_LEN(names); n++) {
        struct doctor_facts facts = {0};
        char path[PATH_MAX];

        for (size_t i = 0; path_entry(doctor, i, names[n], path, sizeof path); i++) {
            if (!is_program(doctor, path))
                continue;
            if (is_kiln(doctor, path)) {
                snprintf(facts.target, sizeof facts.target, "%.255s", path);
                break;
            }
            if (facts.file[0] == '\0')
                snprintf(facts.file, sizeof facts.file, "%.255s", path);
        }
        snprintf(facts.what, sizeof facts.what, "%s", names[n]);
        if (facts.file[0] == '\0' || facts.target[0] == '\0')
            continue;
        if (strncmp(names[n], "esptool", 7) == 0)
            put_uninstall(doctor, facts.file, &facts);
        doctor_report(doctor, check, &facts);
    }
}
