/* SPDX-License-Identifier: MIT */
/* From the options to a monitor with an open port, and its end. */
#include "link/open.h"
#include "monitor/monitor.h"
#include "os/wait.h"
#include "sim/sim.h"

#include <errno.h>
#include <kiln/device.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BAUD 115200u
#define OUT_MAX      (4u << 20)

static void warn(void *user, enum kiln_log_level level, const char *domain, const char *text)
{
    struct kiln_monitor *m = user;

    (void)level;
    (void)domain;
    if (m->link != NULL)
        kiln_monitor_say(m, "%s", text);
    else
        snprintf(m->early, sizeof m->early, "%s", text);
}

enum kiln_status kiln_monitor_set_filter(struct kiln_monitor *m, const char *expression)
{
    regex_t compiled;
    char why[120];
    int bad;

    if (expression != NULL && expression[0] != '\0') {
        bad = regcomp(&compiled, expression, REG_EXTENDED | REG_NOSUB);
        if (bad != 0) {
            regerror(bad, &compiled, why, sizeof why);
            return kiln_fail(&m->ctx, KILN_E_ARG, "'%.100s' is no regular expression: %s",
                             expression, why);
        }
    }
    if (m->has_filter)
        regfree(&m->filter);
    m->has_filter = expression != NULL && expression[0] != '\0';
    if (m->has_filter)
        m->filter = compiled;
    m->screen.options.filter = m->has_filter ? &m->filter : NULL;
    return KILN_OK;
}

enum kiln_status kiln_monitor_set_log(struct kiln_monitor *m, const char *path)
{
    FILE *log = NULL;

    if (path != NULL && path[0] != '\0') {
        log = fopen(path, "ae");
        if (log == NULL)
            return kiln_fail(&m->ctx, KILN_E_IO, "cannot write %.200s: %s", path, strerror(errno));
    }
    if (m->log != NULL)
        fclose(m->log);
    m->log = log;
    return KILN_OK;
}

enum kiln_status kiln_monitor_set_encoding(struct kiln_monitor *m, const char *name)
{
    struct kiln_recode encode = {.on = false};

    if ((!kiln_recode_is_utf8(name) && !kiln_recode_open(&encode, "UTF-8", name)) ||
        strlen(name) >= sizeof m->encoding || !kiln_view_set_encoding(&m->screen, name) ||
        !kiln_view_set_encoding(&m->file, name)) {
        kiln_recode_close(&encode);
        return kiln_fail(&m->ctx, KILN_E_ARG,
                         "this system knows no encoding '%.40s'; `iconv -l` "
                         "lists those it knows",
                         name);
    }
    kiln_recode_close(&m->encode);
    m->encode = encode;
    snprintf(m->encoding, sizeof m->encoding, "%s", name);
    return KILN_OK;
}

/* ---- the filters ---- */

static void explain_line(void *user, const char *text, struct kiln_buf *out)
{
    kiln_explain_line(user, text, out);
}

static void crash_line(void *user, const char *text, struct kiln_buf *out)
{
    kiln_crash_line(user, text, out);
}

static void init_annotators(struct kiln_monitor *m)
{
    m->annotators[0] = (struct kiln_annotator){explain_line, &m->explain};
    m->annotators[1] = (struct kiln_annotator){crash_line, &m->crash};
    kiln_crash_init(&m->crash, NULL);
}

static enum kiln_status open_symbols(struct kiln_monitor *m)
{
    if (m->options.elf_count == 0)
        return KILN_OK;
    KILN_TRY(kiln_symbols_open(&m->ctx, m->options.elf, m->options.elf_count, &m->symbols));
    m->symbolizer = kiln_symbols_symbolizer(m->symbols);
    kiln_crash_init(&m->crash, &m->symbolizer);
    return KILN_OK;
}

static void init_views(struct kiln_monitor *m, int64_t wall_ns)
{
    struct kiln_view_options view = {
        .line_end = m->options.line_end,
        .time = m->options.time,
        .hex = m->options.hex,
        .color = m->options.color,
        .show = m->options.show,
        .json = m->options.json,
        .level = m->options.level,
        .wall_ns = wall_ns - (int64_t)kiln_ctx_now_ns(&m->ctx),
        .annotators = m->annotators,
        .annotator_count = 2,
    };

    kiln_view_init(&m->screen, &view);
    /* A log is complete and can be read by anything. */
    view.hex = view.color = view.json = false;
    view.show = KILN_MONITOR_DIRECT;
    view.level = 0;
    view.annotator_count = 0;
    kiln_view_init(&m->file, &view);
}

static enum kiln_status prepare(struct kiln_monitor *m)
{
    size_t bad;

    if (m->options.reset_sequence != NULL) {
        if (!kiln_reset_parse(m->options.reset_sequence, &m->bootloader, &bad))
            return kiln_fail(&m->ctx, KILN_E_ARG, "'%.100s' is no reset sequence from '%.20s' on",
                             m->options.reset_sequence, m->options.reset_sequence + bad);
        m->has_sequence = true;
    }
    KILN_TRY(open_symbols(m));
    if (m->options.encoding != NULL)
        KILN_TRY(kiln_monitor_set_encoding(m, m->options.encoding));
    KILN_TRY(kiln_monitor_set_filter(m, m->options.filter));
    KILN_TRY(kiln_monitor_set_log(m, m->options.log));
    if (m->options.send != NULL)
        KILN_TRY(kiln_monitor_send_file(m, m->options.send));
    return KILN_OK;
}

enum kiln_status kiln_monitor_create(const struct kiln_monitor_options *options,
                                     const struct kiln_monitor_sink *sink, struct kiln_clock *clock,
                                     int64_t wall_ns, struct kiln_monitor **out_monitor,
                                     struct kiln_error *out_error)
{
    struct kiln_monitor *m = calloc(1, sizeof *m);
    uint32_t baud = options->baud != 0 ? options->baud : DEFAULT_BAUD;
    enum kiln_status status;

    if (m == NULL || kiln_cancel_init(&m->cancel) != KILN_OK) {
        free(m);
        if (out_error != NULL)
            *out_error = (struct kiln_error){.status = KILN_E_NOMEM, .message = "out of memory"};
        return KILN_E_NOMEM;
    }
    kiln_ctx_init(&m->ctx, clock);
    m->ctx.cancel = &m->cancel;
    m->log_sink = (struct kiln_log_sink){warn, m, KILN_LOG_WARN};
    m->ctx.log = &m->log_sink;
    m->options = *options;
    m->sink = *sink;
    m->idle = true;
    m->input_open = options->input >= 0;
    m->nibble = -1;
    m->format.data_bits = options->data_bits != 0 ? options->data_bits : 8;
    m->format.parity = options->parity != 0 ? options->parity : 'N';
    m->format.stop_half_bits = options->stop_half_bits != 0 ? options->stop_half_bits : 2;
    m->format.rtscts = options->rtscts;
    m->format.xonxoff = options->xonxoff;
    kiln_buf_init(&m->echoed, 8 * sizeof m->queued);
    kiln_yield_init(&m->yield);
    kiln_rate_init(&m->rate, baud, options->baud == 0 || options->find_rate);
    kiln_buf_init(&m->out, OUT_MAX);
    init_annotators(m);
    init_views(m, wall_ns);
    status = prepare(m);
    if (out_error != NULL)
        *out_error = m->ctx.error;
    if (status != KILN_OK)
        kiln_monitor_free(m);
    else
        *out_monitor = m;
    return status;
}

/* ---- the port ---- */

static enum kiln_status open_simulated(struct kiln_monitor *m, const char *text,
                                       struct kiln_byte_link **out_link)
{
    const struct kiln_sim_board *board;
    struct kiln_sim_knobs knobs;
    struct kiln_sim_uart *uart;

    KILN_TRY(kiln_sim_knobs_parse(&m->ctx, text, &knobs));
    board = kiln_sim_board_find(knobs.board);
    if (board == NULL || board->make_uart == NULL)
        return kiln_fail(&m->ctx, KILN_E_NO_DEVICE, "%s is no simulated board with a serial port",
                         knobs.board);
    KILN_TRY(board->make_uart(&m->ctx, &knobs, &uart));
    return kiln_sim_byte_link(&m->ctx, uart, true, m->rate.current, out_link);
}

static enum kiln_status open_path(struct kiln_monitor *m, const char *path,
                                  struct kiln_byte_link **out_link)
{
    return (m->options.shared ? kiln_serial_open_shared
                              : kiln_serial_open)(&m->ctx, path, m->rate.current, out_link);
}

static enum kiln_status open_local(struct kiln_monitor *m, const char *selector,
                                   struct kiln_byte_link **out_link)
{
    struct kiln_device_list list = {0};
    enum kiln_status status;

    KILN_TRY(kiln_device_select(selector, &list, &m->ctx.error));
    if (list.count > 1)
        status = kiln_fail_hint(&m->ctx, KILN_E_AMBIGUOUS, KILN_HINT_CHOOSE_DEVICE,
                                "'%s' means %zu devices", selector, list.count);
    else if (list.items[0].kind != KILN_DEVICE_SERIAL)
        status = kiln_fail(&m->ctx, KILN_E_UNSUPPORTED, "%s has no serial port to listen to",
                           list.items[0].title);
    else
        status = open_path(m, list.items[0].port, out_link);
    kiln_device_list_free(&list);
    return status;
}

static enum kiln_status open_link(struct kiln_monitor *m, const char *selector,
                                  struct kiln_byte_link **out_link)
{
    if (strncmp(selector, "sim:", 4) == 0)
        return open_simulated(m, selector + 4, out_link);
    if (strstr(selector, "://") != NULL)
        return kiln_network_open(&m->ctx, selector, m->rate.current, out_link);
    /* A name that stays when the number changes, like /dev/serial/by-id/..., is kept as it is. */
    if (selector[0] == '/')
        return open_path(m, selector, out_link);
    return open_local(m, selector, out_link);
}

enum kiln_status kiln_monitor_set_port(struct kiln_monitor *m, const char *selector)
{
    struct kiln_byte_link *link = NULL;

    KILN_TRY(open_link(m, selector, &link));
    kiln_link_close(m->link);
    kiln_monitor_take_link(m, link);
    kiln_monitor_set_up_port(m);
    kiln_monitor_say(m, "%s at %u baud", m->port, m->rate.current);
    return KILN_OK;
}

enum kiln_status kiln_monitor_open(const struct kiln_monitor_options *options,
                                   const struct kiln_monitor_sink *sink,
                                   struct kiln_monitor **out_monitor, struct kiln_error *out_error)
{
    struct kiln_byte_link *link = NULL;
    struct kiln_monitor *m = NULL;
    enum kiln_status status = kiln_monitor_create(options, sink, kiln_system_clock(),
                                                  kiln_wall_clock_ns(), &m, out_error);

    if (status != KILN_OK)
        return status;
    status = open_link(m, options->device != NULL ? options->device : "", &link);
    if (status == KILN_OK) {
        kiln_monitor_take_link(m, link);
        *out_monitor = m;
        return KILN_OK;
    }
    if (out_error != NULL)
        *out_error = m->ctx.error;
    kiln_monitor_free(m);
    return status;
}

void kiln_monitor_stop(struct kiln_monitor *monitor)
{
    kiln_cancel_fire(&monitor->cancel);
}

uint32_t kiln_monitor_rate(const struct kiln_monitor *monitor)
{
    return monitor->rate.confirmed ? monitor->rate.current : 0;
}

void kiln_monitor_free(struct kiln_monitor *m)
{
    if (m == NULL)
        return;
    kiln_link_close(m->link);
    kiln_yield_close(&m->yield);
    if (m->log != NULL)
        fclose(m->log);
    if (m->send != NULL)
        fclose(m->send);
    if (m->has_filter)
        regfree(&m->filter);
    kiln_symbols_free(m->symbols);
    kiln_view_dispose(&m->screen);
    kiln_view_dispose(&m->file);
    kiln_buf_dispose(&m->out);
    kiln_buf_dispose(&m->echoed);
    kiln_recode_close(&m->encode);
    kiln_cancel_dispose(&m->cancel);
    free(m);
}
