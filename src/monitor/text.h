/* SPDX-License-Identifier: MIT */
/* Small readers and writers of text that the monitor's filters share. No length is trusted. */
#ifndef KILN_MONITOR_TEXT_H
#define KILN_MONITOR_TEXT_H

#include "base/buf.h"

#include <kiln/monitor.h>

/* How many bytes at the start are ESC [ ... sequences. */
size_t kiln_text_skip_csi(const char *text, size_t len);

/*
 * Appends the text with control characters (other than CR, TAB, BS and BEL) and bytes that are no UTF-8 as
 * \xNN; ESC [ sequences pass, others do not reach the terminal. Returns how much was used: without `all`
 * an unfinished character or sequence at the end is left for the next call.
 */
size_t kiln_text_visible(const char *text, size_t len, bool all, struct kiln_buf *out);

/* The same for every way of showing; what is no character becomes U+FFFD where that is not \xNN. */
size_t kiln_text_show(enum kiln_monitor_show show, const char *text, size_t len, bool all,
                      struct kiln_buf *out);

/* Appends the bytes as the inside of a C string: \r, \n, \x1b, and UTF-8 as it is. */
void kiln_text_quote(const uint8_t *bytes, size_t len, struct kiln_buf *out);

/* Appends the text with line breaks between words, so that no line has more than `columns` (0: any number);
 * lines but the first are indented, the first stands at that column already. */
void kiln_text_wrap(const char *text, size_t len, unsigned columns, unsigned indent,
                    struct kiln_buf *out);

/* Appends the text as the inside of a JSON string, without ESC [ sequences. */
void kiln_text_json(const char *text, size_t len, struct kiln_buf *out);

/* The length of the UTF-8 character at `text`; 0: none begins here; -1: it is not finished yet. */
int kiln_text_utf8(const char *text, size_t len);

/* Hexadecimal digits, after an optional "0x", at most 8; moves *at behind them. False if there are none or
 * more. */
bool kiln_text_hex(const char **at, uint32_t *out_value);

#endif
