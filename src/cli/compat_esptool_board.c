/* SPDX-License-Identifier: MIT */
/* From the port to the reset at the end: what every command that talks to a board has in common. */
#include "cli/compat_esptool_board.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PORTS_MAX 64
/* What cannot be read in secure download mode and nobody gave: what a boot ROM assumes by itself. */
#define SECURE_FLASH_SIZE (4u << 20)
#define WITHOUT_END       1000000u /* tries to connect */

/* ---- Ctrl-C ---- */

static struct kiln_esp_session *volatile interrupted_session;

static void on_interrupt(int number)
{
    struct kiln_esp_session *session = interrupted_session;

    (void)number;
    if (session != NULL)
        kiln_esp_session_cancel(session);
}

static void catch_interrupts(struct kiln_esp_session *session)
{
    struct sigaction action = {.sa_handler = session != NULL ? on_interrupt : SIG_DFL};

    /* The second one ends the program at once. */
    action.sa_flags = (int)SA_RESETHAND;
    interrupted_session = session;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    cli_outlive_output();
}

/* ---- errors ---- */

int esptool_board_fail(struct esptool_board *b)
{
    const struct kiln_error *error = kiln_esp_session_error(b->session);

    if (error->status == KILN_E_CANCELLED) {
        esptool_error(b->e, "\nKeyboardInterrupt: Run cancelled by user.");
        return 2;
    }
    if (error->status == KILN_E_GONE || error->status == KILN_E_IO) {
        esptool_error(b->e, "\nA serial exception error occurred: %s", error->message);
        return 1;
    }
    return esptool_fail(b->e, error);
}

static int connect_fail(struct esptool_board *b)
{
    const struct kiln_error *error = kiln_esp_session_error(b->session);
    const struct kiln_chip *chip = kiln_chip_named(b->e->args.chip);
    const char *who = chip != NULL ? kiln_chip_summary(chip).title : "Espressif device";
    enum kiln_status status = error->status;

    if (status == KILN_E_REFUSED)
        return esptool_fatal(b->e, "%s. Wrong chip argument?", error->message);
    if (status == KILN_E_ARG && strstr(error->message, "reset sequence") != NULL)
        return esptool_fatal(b->e, "Invalid custom reset sequence option format: %s",
                             error->message);
    if (status == KILN_E_ARG && strstr(error->message, "://") != NULL)
        return esptool_uncaught(b->e, "%s", error->message);
    if (status == KILN_E_NO_DEVICE || status == KILN_E_DENIED || status == KILN_E_BUSY)
        esptool_fatal(b->e, "Could not open %s, the port is busy or doesn't exist.\n(%s)",
                      b->about.device, error->message);
    else if (status == KILN_E_TIMEOUT || status == KILN_E_PROTO)
        esptool_fatal(b->e, "Failed to connect to %s: %s.", who, error->message);
    else
        return esptool_board_fail(b);
    if (error->hint != KILN_HINT_NONE)
        esptool_error(b->e, "%s", kiln_hint_text(error->hint));
    return 2;
}

/* ---- a session on one port ---- */

static enum kiln_reset_before before_of(const char *text)
{
    if (strcmp(text, "usb-reset") == 0)
        return KILN_RESET_BEFORE_USB;
    if (strcmp(text, "no-reset") == 0)
        return KILN_RESET_BEFORE_NONE;
    return strcmp(text, "no-reset-no-sync") == 0 ? KILN_RESET_BEFORE_NO_SYNC
                                                 : KILN_RESET_BEFORE_DEFAULT;
}

static enum kiln_reset_after after_of(const char *text)
{
    if (strcmp(text, "soft-reset") == 0)
        return KILN_RESET_AFTER_SOFT;
    if (strcmp(text, "no-reset") == 0)
        return KILN_RESET_AFTER_STAY;
    if (strcmp(text, "no-reset-stub") == 0)
        return KILN_RESET_AFTER_STAY_STUB;
    return strcmp(text, "watchdog-reset") == 0 ? KILN_RESET_AFTER_WATCHDOG
                                               : KILN_RESET_AFTER_DEFAULT;
}

static uint32_t attempts_of(const struct esptool *e)
{
    int64_t attempts = e->args.connect_attempts;

    if (attempts == ESPTOOL_NOT_GIVEN)
        attempts = e->config.connect_attempts;
    return attempts <= 0 || attempts > (int64_t)WITHOUT_END ? WITHOUT_END : (uint32_t)attempts;
}

void esptool_board_look(struct esptool_board *b)
{
    kiln_esp_session_about(b->session, &b->about);
}

/* Folders 1 and 2 below $KILN_STUB_DIR are, as with esptool, stubs of these versions. NULL: the usual place, where
 * stubs are of version 2. */
static const char *stub_dir(struct esptool_board *b)
{
    const char *version = b->e->args.stub_version;
    const char *dir = getenv("KILN_STUB_DIR");
    size_t size = version != NULL && dir != NULL ? strlen(dir) + 3 : 0;
    char *path = size > 0 ? esptool_keep(b->e, malloc(size)) : NULL;

    b->other_stub = false;
    if (path != NULL) {
        snprintf(path, size, "%s/%s", dir, version);
        if (access(path, X_OK) == 0)
            return path;
    }
    b->other_stub = version != NULL && strcmp(version, "2") != 0;
    return NULL;
}

static int create_session(struct esptool_board *b, const char *port)
{
    const struct esptool_args *args = &b->e->args;
    struct kiln_esp_session_options options = KILN_ESP_SESSION_OPTIONS_INIT;

    options.device = port;
    options.chip = strcmp(args->chip, "auto") == 0 ? NULL : args->chip;
    options.reset_sequence = b->e->config.reset_sequence;
    options.run_sequence = b->e->config.run_sequence;
    options.timing = b->e->config.timing;
    options.stub_dir = stub_dir(b);
    options.baud = (uint32_t)args->baud;
    options.connect_attempts = attempts_of(b->e);
    options.before = before_of(args->before);
    options.after = after_of(args->after);
    options.no_stub = args->no_stub;
    options.watch = esptool_watch_link;
    options.user = &b->watch;
    if (kiln_esp_session_create(&options, &b->session) != KILN_OK)
        return esptool_fatal(b->e, "out of memory");
    catch_interrupts(b->session);
    return 0;
}

static void end_session(struct esptool_board *b)
{
    catch_interrupts(NULL);
    kiln_esp_session_free(b->session);
    b->session = NULL;
}

static void warn_without_lines(struct esptool_board *b)
{
    bool wants = strncmp(b->e->args.before, "no-reset", 8) != 0;

    if (wants && !b->about.has_reset_lines && strstr(b->about.device, "://") == NULL &&
        b->about.device[0] == '/')
        esptool_warning(b->e,
                        "Chip was NOT reset. Setting RTS/DTR lines is not supported for port "
                        "'%s'. Set --before and --after arguments to 'no-reset' and switch to "
                        "bootloader manually to avoid this warning.",
                        b->about.device);
}

/* One try of a port. False leaves the session for its error. */
static bool connect_port(struct esptool_board *b, const char *port, int *out_status)
{
    bool good;

    *out_status = create_session(b, port);
    if (*out_status != 0)
        return false;
    if (!b->e->args.silent)
        fputs("Connecting...", stdout);
    fflush(stdout);
    b->watch.connecting = true;
    good = kiln_esp_session_connect(b->session) == KILN_OK;
    b->watch.connecting = false;
    if (!b->e->args.silent)
        putchar('\n');
    esptool_board_look(b);
    warn_without_lines(b);
    if (good && strcmp(b->e->args.chip, "auto") == 0)
        esptool_print(b->e, "Detecting chip type... %s", b->about.title);
    return good;
}

static int connect_given(struct esptool_board *b)
{
    int64_t attempts = b->e->config.open_port_attempts;
    int status = 0;

    if (attempts < 0)
        attempts = 1;
    if (attempts != 1 && strcmp(b->e->args.chip, "auto") == 0) {
        esptool_warning(b->e, "The ESPTOOL_OPEN_PORT_ATTEMPTS (open_port_attempts) option can only "
                              "be used with --port and --chip arguments.");
        attempts = 1;
    }
    esptool_print(b->e, "Serial port %s:", b->e->args.port);
    for (int64_t i = 1; !connect_port(b, b->e->args.port, &status); i++) {
        struct timespec nap = {.tv_nsec = 100000000};

        if (status != 0)
            return status;
        if (i == attempts || kiln_esp_session_error(b->session)->status == KILN_E_CANCELLED)
            return connect_fail(b);
        if (i == 1)
            esptool_print(b->e, "%s\nRetrying failed connection...",
                          kiln_esp_session_error(b->session)->message);
        end_session(b);
        nanosleep(&nap, NULL);
    }
    return 0;
}

/* ---- looking for a port ---- */

/* "ttyUSB0" */
static const char *port_name(const struct kiln_device *device)
{
    const char *slash = strrchr(device->port, '/');

    return slash != NULL ? slash + 1 : device->port;
}

static int one_filter(struct esptool *e, const char *filter, const struct kiln_device *device,
                      bool *out_good)
{
    const char *value = strchr(filter, '=');
    size_t len = value != NULL ? (size_t)(value - filter) : 0;
    int64_t number = 0;

    if (value == NULL || strchr(value + 1, '=') != NULL)
        return esptool_fatal(e, "Option --port-filter argument must consist of key=value. (got %s)",
                             filter);
    value++;
    if (len == 3 && (strncmp(filter, "vid", 3) == 0 || strncmp(filter, "pid", 3) == 0)) {
        if (!esptool_int(value, &number))
            return esptool_uncaught(e, "Option --port-filter %.3s: '%s' is not a valid integer.",
                                    filter, value);
        *out_good = device != NULL && (filter[0] == 'v' ? device->vid : device->pid) == number;
        return 0;
    }
    if (len == 4 && strncmp(filter, "name", 4) == 0) {
        *out_good = device != NULL && strstr(port_name(device), value) != NULL;
        return 0;
    }
    if (len == 6 && strncmp(filter, "serial", 6) == 0) {
        *out_good =
            device != NULL && device->serial[0] != '\0' && strstr(device->serial, value) != NULL;
        return 0;
    }
    return esptool_fatal(e, "Option --port-filter argument key not recognized: '%s'.", filter);
}

/* Filters of one key are alternatives, those of different keys conditions. */
static int filter_device(struct esptool *e, const struct kiln_device *device, bool *out_good)
{
    const struct esptool_words *filters = &e->args.port_filter;

    *out_good = true;
    for (size_t i = 0; i < filters->count; i++) {
        const char *equals = strchr(filters->word[i], '=');
        size_t len = equals != NULL ? (size_t)(equals - filters->word[i]) : 0;
        bool any = false;

        for (size_t k = 0; k < filters->count; k++) {
            bool good = false;
            int status = one_filter(e, filters->word[k], device, &good);

            if (status != 0)
                return status;
            if (strncmp(filters->word[k], filters->word[i], len + 1) == 0)
                any = any || good;
        }
        *out_good = *out_good && any;
    }
    return 0;
}

static int rank(const struct kiln_device *device)
{
    if (device->vid == 0x303a)
        return 0;
    return strstr(device->port, "ttyUSB") != NULL || strstr(device->port, "ttyACM") != NULL ? 1 : 2;
}

/* Ports of one rank are tried from the last name to the first. */
static void insert_port(const struct kiln_device *out[], size_t first, size_t *count,
                        const struct kiln_device *device)
{
    size_t at = (*count)++;

    for (; at > first && strcmp(out[at - 1]->port, device->port) < 0; at--)
        out[at] = out[at - 1];
    out[at] = device;
}

static int find_ports(struct esptool *e, const struct kiln_device_list *list,
                      const struct kiln_device *out[], size_t *out_count)
{
    *out_count = 0;
    for (int wanted = 0; wanted <= 2; wanted++) {
        size_t first = *out_count;

        for (size_t i = 0; i < list->count && *out_count < PORTS_MAX; i++) {
            bool good = false;
            int status;

            if (list->items[i].kind != KILN_DEVICE_SERIAL || rank(&list->items[i]) != wanted)
                continue;
            status = filter_device(e, &list->items[i], &good);
            if (status != 0)
                return status;
            if (good)
                insert_port(out, first, out_count, &list->items[i]);
        }
    }
    return 0;
}

static int connect_any(struct esptool_board *b, const struct kiln_device_list *list)
{
    const struct kiln_device *ports[PORTS_MAX];
    size_t count = 0;
    bool none;
    int status = filter_device(b->e, NULL, &none); /* mistakes show without a port too */

    if (status == 0)
        status = find_ports(b->e, list, ports, &count);
    if (status != 0)
        return status;
    esptool_print(b->e, "Found %zu serial ports...", count);
    for (size_t i = 0; i < count; i++) {
        esptool_print(b->e, "Serial port %s:", ports[i]->port);
        if (connect_port(b, ports[i]->port, &status))
            return 0;
        if (status != 0)
            return status;
        if (kiln_esp_session_error(b->session)->status == KILN_E_CANCELLED)
            return connect_fail(b);
        esptool_error(b->e, "%s failed to connect: %s", ports[i]->port,
                      kiln_esp_session_error(b->session)->message);
        end_session(b);
    }
    return esptool_fatal(b->e,
                         "Could not connect to an Espressif device on any of the %zu available "
                         "serial ports.",
                         count);
}

/* Where the port alone would be asked for a rate that is none. */
static int check_rate(const struct esptool *e)
{
    if (e->args.baud > 0 && e->args.baud <= UINT32_MAX)
        return 0;
    return esptool_uncaught(e, "Not a valid baudrate: %lld", (long long)e->args.baud);
}

static int connect_board(struct esptool_board *b)
{
    const char *env = getenv("ESPTOOL_OPEN_PORT_ATTEMPTS");
    struct kiln_device_list list = {0};
    struct kiln_error error = {0};
    int status = check_rate(b->e);

    if (status != 0)
        return status;
    if (env != NULL && !esptool_decimal(env, &b->e->config.open_port_attempts))
        return esptool_uncaught(b->e, "Invalid value for ESPTOOL_OPEN_PORT_ATTEMPTS.");
    if (b->e->args.port != NULL)
        return connect_given(b);
    if (kiln_device_enumerate(&list, &error) != KILN_OK)
        return esptool_fail(b->e, &error);
    status = connect_any(b, &list);
    kiln_device_list_free(&list);
    return status;
}

/* ---- what it is ---- */

void esptool_print_mac(const struct esptool_board *b)
{
    const uint8_t *mac = b->about.mac;

    if (b->about.mac_len == 8) {
        esptool_print(b->e, "%-20s%02x:%02x:%02x:%02x:%02x:%02x:%02x:%02x", "MAC:", mac[0], mac[1],
                      mac[2], mac[3], mac[4], mac[5], mac[6], mac[7]);
        esptool_print(b->e, "%-20s%02x:%02x:%02x:%02x:%02x:%02x", "BASE MAC:", mac[0], mac[1],
                      mac[2], mac[5], mac[6], mac[7]);
        esptool_print(b->e, "%-20s%02x:%02x", "MAC_EXT:", mac[3], mac[4]);
    } else {
        esptool_print(b->e, "%-20s%02x:%02x:%02x:%02x:%02x:%02x", "MAC:", mac[0], mac[1], mac[2],
                      mac[3], mac[4], mac[5]);
    }
}

static void print_board(const struct esptool_board *b)
{
    const struct kiln_esp_about *about = &b->about;

    esptool_print(b->e, "Connected to %s on %s:", about->title, about->device);
    if (about->secure_download) {
        esptool_print(b->e, "%-20s%s in Secure Download Mode\n", "Chip type:", about->title);
        return;
    }
    esptool_print(b->e, "%-20s%s", "Chip type:", about->variant);
    esptool_print(b->e, "%-20s%s", "Features:", about->features);
    esptool_print(b->e, "%-20s%uMHz", "Crystal frequency:", (unsigned)about->crystal_mhz);
    if (about->usb != KILN_ESP_USB_NONE)
        esptool_print(b->e, "%-20s%s",
                      "USB mode:", about->usb == KILN_ESP_USB_OTG ? "USB-OTG" : "USB-Serial/JTAG");
    esptool_print_mac(b);
    esptool_print(b->e, "%s", "");
}

/* Lines that came since the last look. */
static void print_notes(struct esptool_board *b, size_t from)
{
    const char *at = b->about.notes + (from < strlen(b->about.notes) ? from : 0);

    if (from >= strlen(b->about.notes))
        return;
    while (*at != '\0') {
        size_t len = strcspn(at, "\n");

        if (len > 0)
            esptool_note(b->e, "%.*s", (int)len, at);
        at += len + (at[len] == '\n');
    }
}

static int start_stub(struct esptool_board *b)
{
    size_t noted = strlen(b->about.notes);
    bool uploads = !b->about.stub && !b->e->args.no_stub && b->about.no_stub_reason == NULL;
    uint32_t before = b->about.baud;

    if (b->about.found_stub)
        esptool_print(b->e, "Stub flasher is already running. No upload is necessary.");
    else if (!uploads && !b->e->args.no_stub)
        esptool_warning(b->e,
                        "Stub flasher has been disabled: %s. Set --no-stub to suppress this "
                        "warning.",
                        b->about.no_stub_reason);
    if (uploads && b->other_stub)
        esptool_warning(b->e, "%s stub version %s doesn't exist, using 2 instead.", b->about.title,
                        b->e->args.stub_version);
    if (uploads)
        esptool_print(b->e, "Uploading stub flasher...");
    if (kiln_esp_session_start(b->session) != KILN_OK)
        return esptool_board_fail(b);
    esptool_board_look(b);
    if (uploads && b->about.stub)
        esptool_print(b->e, "Running stub flasher...\nStub flasher running.");
    else if (uploads)
        print_notes(b, noted);
    if (b->about.baud != before)
        esptool_print(b->e, "Changing baud rate to %u...\nChanged.", (unsigned)b->about.baud);
    return 0;
}

/* "SPI", "HSPI" or "CLK,Q,D,HD,CS", which parsing has seen to. `shown` is how it is told. */
static bool parse_pins(const char *text, uint32_t *out_pins, char shown[64])
{
    int64_t pin[5] = {0};

    *out_pins = strcasecmp(text, "HSPI") == 0 ? KILN_ESP_PINS_HSPI : KILN_ESP_PINS_DEFAULT;
    snprintf(shown, 64, "%s", *out_pins == KILN_ESP_PINS_HSPI ? "HSPI" : "SPI");
    if (strchr(text, ',') == NULL)
        return true;
    for (size_t i = 0; i < 5; i++) {
        size_t len = strcspn(text, ",");
        char word[16];

        snprintf(word, sizeof word, "%.*s", (int)len, text);
        if (!esptool_int(word, &pin[i]) || pin[i] < 0 || pin[i] > 63)
            return false;
        text += len + (text[len] == ',');
    }
    *out_pins = KILN_ESP_PINS(pin[0], pin[1], pin[2], pin[3], pin[4]);
    snprintf(shown, 64, "CLK:%d, Q:%d, D:%d, HD:%d, CS:%d", (int)pin[0], (int)pin[1], (int)pin[2],
             (int)pin[3], (int)pin[4]);
    return true;
}

static int attach(struct esptool_board *b)
{
    const char *text = b->e->args.spi_connection;
    uint32_t pins = KILN_ESP_PINS_DEFAULT;
    size_t noted = strlen(b->about.notes);
    char shown[64];
    uint32_t id;

    if (text != NULL && !parse_pins(text, &pins, shown))
        return esptool_fatal(b->e, "SPI pin numbers must be in the range 0-63, not %s.", text);
    if (text != NULL)
        esptool_print(b->e, "Configuring SPI flash mode (%s)...", shown);
    else if (!b->about.stub)
        esptool_print(b->e, "Enabling default SPI flash mode...");
    if (kiln_esp_session_attach(b->session, pins) != KILN_OK)
        return esptool_board_fail(b);
    if (b->about.secure_download &&
        kiln_esp_session_set_flash_size(b->session, SECURE_FLASH_SIZE) != KILN_OK)
        return esptool_board_fail(b);
    esptool_board_look(b);
    if (text != NULL)
        print_notes(b, noted);
    id = b->about.flash_id;
    if (!b->about.secure_download && (id == 0 || id == 0xffffff || id == 0xffff3f))
        esptool_warning(b->e, "Failed to communicate with the flash chip, read/write operations "
                              "will fail. Try checking the chip connections or removing any other "
                              "hardware connected to IOs.");
    return 0;
}

/* ---- the end ---- */

static int leave(struct esptool_board *b)
{
    const char *after = b->e->args.after;
    enum kiln_status status;

    esptool_print(b->e, "%s", "");
    if (b->started_program) {
        esptool_print(b->e, "Exiting immediately.");
        return 0;
    }
    if (strcmp(after, "watchdog-reset") == 0 && !b->about.watchdog_resets) {
        esptool_warning(b->e,
                        "Watchdog hard reset is not supported on %s, attempting classic hard "
                        "reset instead.",
                        b->about.title);
        kiln_esp_session_set_after(b->session, KILN_RESET_AFTER_DEFAULT);
        after = "hard-reset";
    }
    if (strcmp(after, "hard-reset") == 0)
        esptool_print(b->e, "Hard resetting via RTS pin...");
    else if (strcmp(after, "watchdog-reset") == 0)
        esptool_print(b->e, "Hard resetting with a watchdog...");
    else if (strcmp(after, "soft-reset") == 0)
        esptool_print(b->e, "Soft resetting...");
    else
        esptool_print(b->e, strcmp(after, "no-reset") == 0 ? "Staying in bootloader."
                                                           : "Staying in flasher stub.");
    status = kiln_esp_session_leave(b->session);
    if (status == KILN_E_UNSUPPORTED && strcmp(after, "hard-reset") == 0) {
        esptool_note(b->e, "%s.", kiln_esp_session_error(b->session)->message);
        return 0;
    }
    return status == KILN_OK ? 0 : esptool_board_fail(b);
}

static int override_supply(struct esptool_board *b)
{
    const char *wanted = b->e->args.override_vddsdio;
    unsigned millivolts = 0;

    if (wanted == NULL)
        return 0;
    if (wanted[0] == '1')
        millivolts = 1000 + 100u * (unsigned)(wanted[2] - '0');
    if (kiln_esp_session_set_flash_supply(b->session, millivolts) != KILN_OK)
        return esptool_board_fail(b);
    esptool_print(b->e, "VDDSDIO regulator set to %s.", wanted);
    return 0;
}

static int session(struct esptool_board *b, unsigned needs, int (*work)(struct esptool_board *b))
{
    int status;

    if (b->about.secure_download && !(needs & ESPTOOL_SECURE))
        return esptool_fatal(b->e, "The '%s' command is not available in Secure Download Mode.",
                             b->e->command->name);
    status = start_stub(b);
    if (status == 0)
        status = override_supply(b);
    if (status != 0)
        return status;
    esptool_print(b->e, "%s", "");
    if (needs & ESPTOOL_ATTACH)
        status = attach(b);
    return status != 0 ? status : work(b);
}

int esptool_on_board(struct esptool *e, unsigned needs, int (*work)(struct esptool_board *b))
{
    struct esptool_board b = {.about.notes = "", .e = e, .watch = {.e = e}};
    int status = connect_board(&b);

    if (status == 0) {
        int left;

        print_board(&b);
        status = session(&b, needs, work);
        fflush(stdout);
        left = leave(&b);
        if (status == 0)
            status = left;
    }
    end_session(&b);
    return status;
}
