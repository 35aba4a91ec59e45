#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The project's own linter: house rules that neither the compiler nor clang-tidy knows.

    tools/lint.py               check every file git knows
    tools/lint.py FILE...       check these
    tools/lint.py --samples     check the linter itself on the samples in tests/lint/
    tools/lint.py --rules       list the rules

Standard library only. C is read as tokens, not as lines: what stands in a comment or a string is no code.
The include table is read from docs/architecture.md, so that page cannot be wrong.
"""

import collections
import concurrent.futures
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 700
MAX_NESTING = 4

RULES = {
    'include': 'an #include goes only where docs/architecture.md allows',
    'state': 'the library has no mutable file-scope or static state',
    'print': 'the library neither prints nor ends the process',
    'banned': 'functions that are unsafe by design, each with its replacement',
    'codec': 'codecs in src/wire/ do no I/O and allocate nothing',
    'wait': 'only src/os/ and the links below it wait or read the clock',
    'system': 'an #ifdef on the operating system stands only in src/os/',
    'packed': 'no packed structs: wire bytes are read with base/bytes.h',
    'default': 'no default in a switch over one of our enums: the compiler shall name what is missing',
    'length': 'a function has at most %d lines, a file %d; tables do not count'
              % (MAX_FUNCTION_LINES, MAX_FILE_LINES),
    'nesting': 'control structures nest at most %d deep' % MAX_NESTING,
    'spdx': 'every source file begins with its licence line',
    'guard': 'a header has one include guard, named after its path',
    'alone': 'a header compiles alone',
    'must-use': 'a function in a header that returns a status is KILN_MUST_USE',
    'machine': 'no path of a machine and no host of a package registry in the tree',
    'chip': 'core code names no chip: the fact is a column of the rows in src/chip/',
    'todo': 'a TODO names the place where it is followed up: TODO(#12)',
}

BANNED = {
    'strcpy': 'snprintf or memcpy with a checked length', 'strcat': 'kiln_buf_append or snprintf',
    'stpcpy': 'snprintf', 'strncpy': 'snprintf (strncpy may leave no NUL)', 'strncat': 'snprintf',
    'sprintf': 'snprintf', 'vsprintf': 'vsnprintf', 'gets': 'fgets', 'strtok': 'strcspn and strspn',
    'atoi': 'strtoul with a checked end', 'atol': 'strtol with a checked end',
    'atoll': 'strtoll with a checked end', 'atof': 'strtod with a checked end',
    'scanf': 'a parser that checks its end', 'sscanf': 'strtoul and a checked end',
    'fscanf': 'fgets and a parser', 'alloca': 'an array of fixed size or malloc',
    'system': 'posix_spawn with an argument list', 'popen': 'posix_spawn with an argument list',
    'tmpnam': 'mkstemp', 'tempnam': 'mkstemp', 'mktemp': 'mkstemp', 'rand': 'a seeded generator in the caller',
    'srand': 'a seeded generator in the caller', 'random': 'a seeded generator in the caller',
    'setjmp': 'a status that is returned', 'longjmp': 'a status that is returned',
    'signal': 'sigaction', 'ctime': 'strftime', 'asctime': 'strftime', 'localtime': 'localtime_r',
    'gmtime': 'gmtime_r', 'strerror_l': 'strerrordesc_np', 'readdir_r': 'readdir', 'vfork': 'posix_spawn',
    'bzero': 'memset', 'bcopy': 'memmove', 'htonl': 'kiln_put_be32', 'htons': 'kiln_put_be16',
    'ntohl': 'kiln_be32', 'ntohs': 'kiln_be16',
}

# In the library: the caller decides about its process and its terminal.
PRINTING = {
    'exit', '_exit', '_Exit', 'quick_exit', 'abort', 'printf', 'vprintf', 'puts', 'putchar', 'perror',
    'psignal', 'err', 'errx', 'warn', 'warnx', 'error', 'stdout', 'stderr',
}
WAITING = {'sleep', 'usleep', 'nanosleep', 'clock_nanosleep', 'gettimeofday', 'time', 'clock_gettime',
           'select', 'poll', 'ppoll', 'pause'}
WAITING_ALLOWED = ('src/os/', 'src/cli/', 'tests/', 'bench/', 'examples/', 'src/link/', 'sim/front/')
CODEC_BANNED = {'malloc', 'calloc', 'realloc', 'free', 'strdup', 'fopen', 'fread', 'fwrite', 'open', 'read',
                'write', 'close', 'send', 'recv'}
SYSTEM_MACROS = {'_WIN32', '_WIN64', '__linux__', '__linux', '__APPLE__', '__FreeBSD__', '__NetBSD__',
                 '__OpenBSD__', '__CYGWIN__', '__MINGW32__', '__ANDROID__'}
# They return the status that is in the error slot already, so that a function can end with them.
STATUS_MAY_BE_DROPPED = {'kiln_fail', 'kiln_fail_hint', 'kiln_fail_code', 'kiln_fail_at', 'kiln_while', 'kiln_image_bad', 'kiln_text_bad'}

# Written in pieces so that this file does not report itself.
MACHINE = re.compile('|'.join([
    r'(?<![\w.])/wo' r'rk/', r'(?<![\w.])/ro' r'ot/', r'(?<![\w.])/ho' r'me/(?!(USER|NAME|you|user)\b)\w+',
    r'registry\.np' r'mjs', r'np' r'mjs\.org', r'deb\.deb' r'ian\.org', r'py' r'pi\.org', r'pythonho' r'sted\.org',
    r'static\.crat' r'es\.io', r'proxy\.gol' r'ang']))
TODO = re.compile(r'\b(TODO|FIXME|XXX|HACK)\b(?!\((#\d+|https?://[^)\s]+)\))')

# A chip's name as a whole string or a part of an identifier. Strings with more in them are messages and examples.
CHIP_STRING = re.compile(r'(esp(8266|32)|(stm|gd|at|ch)32)\w*', re.I)
CHIP_IDENT = re.compile(r'esp_?(8266|32)|(^|_)8266(_|$)|(stm|gd|at|ch)32_?[a-z]{1,2}\d', re.I)
CHIP_FREE = ('src/base/', 'src/os/', 'src/link/', 'src/wire/', 'src/loader/', 'src/plan/', 'src/image/', 'src/job/',
             'src/project/', 'src/monitor/', 'src/cli/', 'src/doctor/')
# Where such a word is right, and why.
CHIP_WORDS = {
    'src/image/uf2.c': 'the names that the list of UF2 families gives: one stands for many chips',
    'src/project/upload.c': 'the names that other build systems give their uploaders',
}

SCRIPT = re.compile(r'(\.(py|sh|def)$)|(^|/)(Makefile|run|setup|fuzz|tidy|demo)$|^tools/[^./]+$')
SAMPLES = 'tests/lint/'

Token = collections.namedtuple('Token', 'kind text line')
Finding = collections.namedtuple('Finding', 'path line rule text')

# ---- reading C ------------------------------------------------------------------------------------

LEX = re.compile(r'''
    (?P<space>[ \t\r\f\v]+|\\\n)
  | (?P<newline>\n)
  | (?P<comment>/\*.*?\*/|//[^\n]*)
  | (?P<string>(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
  | (?P<char>[uUL]?'(?:\\.|[^'\\\n])*')
  | (?P<ident>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<punct>->|\+\+|--|<<=|>>=|<<|>>|[<>=!+\-*/%&|^]=|&&|\|\||\.\.\.|\#\#|.)
''', re.X | re.S)


def lex(text, line=1):
    """All tokens of a text, comments and newlines included."""
    for match in LEX.finditer(text):
        kind = match.lastgroup
        yield Token(kind, match.group(), line)
        line += match.group().count('\n')


class Source:
    """A C file: `code` without comments and directives, `directives` as (line, name, tokens), `comments`."""

    def __init__(self, path, text):
        self.path, self.text = path, text
        self.lines = text.count('\n')
        self.code, self.directives, self.comments = [], [], []
        directive = None
        at_line_start = True
        for token in lex(text):
            if token.kind == 'comment':
                self.comments.append(token)
                continue
            if token.kind == 'space':
                continue
            if token.kind == 'newline':
                if directive is not None:
                    self.end_directive(directive)
                directive, at_line_start = None, True
                continue
            if directive is not None:
                directive.append(token)
            elif at_line_start and token.text == '#':
                directive = [token]
            else:
                self.code.append(token)
            at_line_start = False
        if directive is not None:
            self.end_directive(directive)
        self.pair = self.match_brackets()

    def end_directive(self, tokens):
        name = tokens[1].text if len(tokens) > 1 else ''
        self.directives.append((tokens[0].line, name, tokens[2:]))

    def match_brackets(self):
        """index of an opening bracket <-> index of its closing one"""
        pair, stack = {}, []
        for i, token in enumerate(self.code):
            if token.text in ('(', '[', '{'):
                stack.append(i)
            elif token.text in (')', ']', '}') and stack:
                opened = stack.pop()
                pair[opened], pair[i] = i, opened
        return pair

    def text_at(self, i):
        return self.code[i].text if 0 <= i < len(self.code) else ''

    def top_level(self):
        """Declarations and definitions at file scope as (first, last) token indexes. extern "C" is looked through."""
        i, first = 0, 0
        while i < len(self.code):
            text = self.code[i].text
            if text == '{' and i >= 2 and self.text_at(i - 2) == 'extern':
                i = first = i + 1
            elif text == '}':  # of extern "C"
                i = first = i + 1
            elif text in ('(', '[', '{'):
                closed = self.pair.get(i, len(self.code) - 1)
                if text == '{' and self.is_function_body(i, first):
                    yield first, closed
                    i = first = closed + 1
                else:
                    i = closed + 1
            elif text == ';':
                if i > first:
                    yield first, i
                i = first = i + 1
            else:
                i += 1

    def is_function_body(self, brace, first):
        return self.text_at(brace - 1) == ')' and not any(
            self.code[k].text == '=' for k in self.outside(first, brace))

    def outside(self, first, last):
        """Indexes from first to last (exclusive) that stand in no bracket."""
        i = first
        while i < last:
            yield i
            i = self.pair[i] if self.code[i].text in ('(', '[', '{') and i in self.pair else i + 1

    def functions(self):
        """(name, first token, index of the body's brace, index of its end)"""
        for first, last in self.top_level():
            if self.code[last].text != '}':
                continue
            brace = self.pair[last]
            opened = self.pair.get(brace - 1)
            if opened is not None:
                yield self.text_at(opened - 1), first, brace, last


# ---- what is in a declaration -----------------------------------------------------------------------


def declared(source, first, last):
    """Tokens of a declaration without initializer and without what is in braces or parameter lists, or None
    if it declares no object."""
    out = []
    texts = [source.code[k].text for k in range(first, last + 1)]
    if texts[0] in ('typedef', '_Static_assert', 'static_assert') or texts[-1] == '}':
        return None
    i = first
    while i < last:
        text = source.code[i].text
        if text == '=':
            break
        if text == '(' and source.text_at(i + 1) == '*' and source.text_at(i - 1) not in ('__attribute__',):
            out += [source.code[k] for k in range(i + 1, source.pair[i])]  # pointer to function or array
            i = source.pair[i] + 1
            if source.text_at(i) == '(':
                i = source.pair[i] + 1
            continue
        if text == '(':
            if source.text_at(i - 1) not in ('__attribute__', '_Alignas', 'alignas'):
                return None  # a prototype
            i = source.pair[i] + 1
            continue
        if text in ('{', '['):
            i = source.pair[i] + 1
            continue
        if text != '__attribute__':
            out.append(source.code[i])
        i += 1
    words = [t.text for t in out]
    # "struct x { ... };" declares a type, "struct x;" names one.
    if words and words[0] in ('struct', 'union', 'enum') and len(words) <= 2:
        return None
    return out


def is_constant(tokens):
    words = [t.text for t in tokens]
    if '*' in words:
        last_star = len(words) - 1 - words[::-1].index('*')
        return 'const' in words[last_star:]
    return 'const' in words or 'constexpr' in words


def is_call(source, i):
    return source.text_at(i + 1) == '(' and source.text_at(i - 1) not in ('.', '->')


# ---- rules ------------------------------------------------------------------------------------------


def in_library(path):
    return path.startswith(('src/', 'sim/', 'include/')) and not path.startswith(('src/cli/', 'sim/front/'))


def layer_of(path, table):
    """The row of the include table a path belongs to."""
    return max((row for row in table if path.startswith(row)), key=len, default=None)


def read_include_table(text):
    """Rows `| `folder/` | what it holds | `name` `name` |` below the marker line of the page."""
    table, on = {}, False
    for line in text.splitlines():
        if line.strip() == '<!-- include table -->':
            on = True
        elif on and line.startswith('|'):
            cells = [cell.strip() for cell in line.strip('|').split('|')]
            folder = re.fullmatch(r'`([^`]+/)`', cells[0])
            if folder:
                table[folder.group(1)] = set(re.findall(r'`([^`]+)`', cells[2]))
        elif on and table and not line.startswith('|'):
            break
    return table


def target_layer(header):
    """'base/buf.h' -> 'base', 'sim/sim.h' -> 'sim', 'kiln/status.h' -> 'kiln'"""
    return header.split('/')[0]


def check_include(source, context):
    row = layer_of(source.path, context.table)
    if row is None:
        return
    own = row.rstrip('/').split('/')[-1]
    allowed = context.table[row] | {own}
    for line, name, tokens in source.directives:
        if name != 'include' or not tokens:
            continue
        header = ''.join(t.text for t in tokens).strip('<>"')
        layer = target_layer(header)
        ours = layer in context.layers
        if ours and '/' in header and layer not in allowed:
            yield line, '%s must not include %s: %s may include %s (docs/architecture.md)' % (
                source.path, header, row, ', '.join(sorted(allowed - {own})) or 'standard C only')
        elif tokens[0].kind == 'string' and '/' not in header:
            yield line, 'write the include with its folder: "%s/%s"' % (own, header)


def check_state(source, context):
    if not in_library(source.path):
        return
    text = 'mutable state; the caller owns state: put it in a struct that is passed as self'
    for first, last in source.top_level():
        tokens = declared(source, first, last)
        if tokens and not is_constant(tokens):
            yield source.code[first].line, text
    for _, _, brace, end in source.functions():
        for i in range(brace, end):
            if source.code[i].text not in ('static', '_Thread_local', 'thread_local'):
                continue
            last = next((k for k in source.outside(i, end) if source.code[k].text == ';'), end)
            tokens = declared(source, i, last)
            if tokens and not is_constant(tokens):
                yield source.code[i].line, text


def check_calls(source, names, text):
    """`names` is a set or a dictionary name -> replacement."""
    bodies = [source.code] + [tokens for _, name, tokens in source.directives if name == 'define']
    for tokens in bodies:
        for i, token in enumerate(tokens):
            if token.kind != 'ident' or token.text not in names:
                continue
            after = tokens[i + 1].text if i + 1 < len(tokens) else ''
            before = tokens[i - 1] if i > 0 else Token('', '', 0)
            if token.text in ('stdout', 'stderr') or (after == '(' and before.text not in ('.', '->', '*') and (
                    before.kind != 'ident' or before.text in ('return', 'else', 'do', 'case'))):
                yield token.line, text(token.text)


def check_banned(source, context):
    yield from check_calls(source, BANNED, lambda n: '%s is banned; use %s' % (n, BANNED[n]))


def check_print(source, context):
    if in_library(source.path):
        yield from check_calls(source, PRINTING, lambda n: '%s in the library; return a status with kiln_fail(), '
                               'log with kiln_log()' % n)


def check_codec(source, context):
    if source.path.startswith('src/wire/'):
        yield from check_calls(source, CODEC_BANNED, lambda n: '%s in a codec; take and fill bytes of the caller' % n)


def check_wait(source, context):
    if source.path.endswith('.c') and not source.path.startswith(WAITING_ALLOWED):
        yield from check_calls(source, WAITING, lambda n: '%s here; use kiln_sleep_ms, kiln_wait_fd or '
                               'kiln_ctx_now_ns, which know the deadline and the clock' % n)


def check_system(source, context):
    if source.path.startswith(('src/os/', 'examples/')):
        return
    for line, name, tokens in source.directives:
        if name in ('if', 'ifdef', 'ifndef', 'elif') and any(t.text in SYSTEM_MACROS for t in tokens):
            yield line, 'an #%s on the operating system; move the difference to src/os/' % name


def check_packed(source, context):
    text = 'packed struct; read bytes with kiln_le16() and its kin of base/bytes.h'
    for i, token in enumerate(source.code):
        if token.text in ('packed', '__packed__') and source.text_at(i - 1) in ('(', ',', '[['):
            yield token.line, text
        elif token.text == '__packed':
            yield token.line, text
    for line, name, tokens in source.directives:
        words = [t.text for t in tokens]
        if name == 'pragma' and 'pack' in words:
            yield line, text
        if name == 'define' and ('packed' in words or '__packed__' in words):
            yield line, text


class Statements:
    """Walks the statements of a function body: nesting depth and switches."""

    def __init__(self, source, brace, end):
        self.source = source
        self.deep = []      # lines where nesting is too deep
        self.switches = []  # (line of default or None, [case words])
        self.open_switches = []
        i = brace + 1
        while i < end:
            i = self.statement(i, end, 0)

    def word(self, i):
        return self.source.text_at(i)

    def close(self, i, end):
        return self.source.pair.get(i, end)

    def inner(self, i, end, depth):
        """The statement that a control structure governs."""
        if depth > MAX_NESTING:
            self.deep.append(self.source.code[min(i, len(self.source.code) - 1)].line)
        return self.statement(i, end, depth, governed=True)

    def block(self, i, end, depth):
        closed = self.close(i, end)
        i += 1
        while i < closed:
            i = self.statement(i, closed, depth)
        return closed + 1

    def statement(self, i, end, depth, governed=False):
        if i >= end:
            return end
        word = self.word(i)
        if word == '{':
            return self.block(i, end, depth if governed else depth + 1)
        if word == 'do':
            i = self.inner(i + 1, end, depth + 1)
            return self.rest(i, end)
        if word in ('if', 'for', 'while', 'switch') and self.word(i + 1) == '(':
            return self.control(i, end, depth, word)
        if word in ('case', 'default') and self.open_switches:
            return self.label(i, end)
        if self.source.code[i].kind == 'ident' and self.word(i + 1) == ':':
            return i + 2
        if self.source.code[i].kind == 'ident' and self.word(i + 1) == '(':
            closed = self.close(i + 1, end)
            if self.word(closed + 1) == '{':  # a for-each macro
                return self.inner(closed + 1, end, depth + 1)
        return self.rest(i, end)

    def control(self, i, end, depth, word):
        body = self.close(i + 1, end) + 1
        if word == 'switch':
            self.open_switches.append((self.source.code[i].line, [], []))
            body = self.inner(body, end, depth + 1)
            self.switches.append(self.open_switches.pop())
            return body
        i = self.inner(body, end, depth + 1)
        if word == 'if' and self.word(i) == 'else':
            if self.word(i + 1) == 'if':
                return self.control(i + 1, end, depth, 'if')
            return self.inner(i + 1, end, depth + 1)
        return i

    def label(self, i, end):
        _, cases, defaults = self.open_switches[-1]
        start = i
        while i < end and self.word(i) != ':':
            i = self.close(i, end) + 1 if self.word(i) == '(' else i + 1
        if self.word(start) == 'default':
            defaults.append(self.source.code[start].line)
        else:
            cases.extend(self.source.code[k].text for k in range(start + 1, i))
        return i + 1

    def rest(self, i, end):
        while i < end:
            if self.word(i) == ';':
                return i + 1
            i = self.close(i, end) + 1 if self.word(i) in ('(', '[', '{') else i + 1
        return end


def check_statements(source, context):
    for name, first, brace, end in source.functions():
        statements = Statements(source, brace, end)
        for line in statements.deep[:1]:
            yield 'nesting', line, '%s nests deeper than %d; return early or give the inner part a name' % (
                name, MAX_NESTING)
        for _, cases, defaults in statements.switches:
            known = [word for word in cases if word in context.enumerators]
            if known and defaults:
                yield 'default', defaults[0], 'default in a switch over %s; list the remaining cases' % (
                    context.enumerators[known[0]])


def check_default(source, context):
    return ((line, text) for rule, line, text in check_statements(source, context) if rule == 'default')


def check_nesting(source, context):
    return ((line, text) for rule, line, text in check_statements(source, context) if rule == 'nesting')


def table_lines(source, first, last):
    """Lines between first and last that belong to initializers in braces."""
    lines = set()
    i = first
    while i < last:
        if source.code[i].text == '=' and source.text_at(i + 1) == '{':
            closed = source.pair.get(i + 1, last)
            if source.code[closed].line - source.code[i].line > 1:
                lines.update(range(source.code[i].line + 1, source.code[closed].line))
            i = closed
        i += 1
    return len(lines)


def check_length(source, context):
    if source.code:
        lines = source.lines - table_lines(source, 0, len(source.code) - 1)
        if lines > MAX_FILE_LINES:
            yield 1, '%d lines without tables, %d at most; split the file by subject' % (lines, MAX_FILE_LINES)
    for name, first, brace, end in source.functions():
        lines = source.code[end].line - source.code[first].line + 1 - table_lines(source, brace, end)
        if lines > MAX_FUNCTION_LINES:
            yield source.code[first].line, '%s has %d lines, %d at most; give parts of it names' % (
                name, lines, MAX_FUNCTION_LINES)


def check_spdx(source, context):
    first = source.text.split('\n', 1)[0]
    if first != '/* SPDX-License-Identifier: MIT */':
        yield 1, 'the first line shall be /* SPDX-License-Identifier: MIT */'


def guard_of(path):
    short = re.sub(r'^(src|include/kiln)/', '', path)
    return 'KILN_' + re.sub(r'\W', '_', short).upper()


def check_guard(source, context):
    if not source.path.endswith('.h'):
        return
    want = guard_of(source.path)
    found = [(name, tokens[0].text if tokens else '') for _, name, tokens in source.directives]
    if found[:2] != [('ifndef', want), ('define', want)] or found[-1][0] != 'endif':
        yield 1, 'the include guard shall be %s and enclose the whole header' % want


def check_must_use(source, context):
    if not source.path.endswith('.h'):
        return
    for first, last in source.top_level():
        words = [source.code[k].text for k in source.outside(first, last)]
        if 'kiln_status' not in words or words[0] == 'typedef':
            continue
        at = words.index('kiln_status')
        if at == 0 or words[at - 1] != 'enum' or words[at + 1:at + 2] == ['{']:
            continue
        name = words[at + 1] if at + 1 < len(words) else ''
        if words[at + 2:at + 3] != ['('] or name in STATUS_MAY_BE_DROPPED or 'KILN_MUST_USE' in words:
            continue
        yield source.code[first].line, '%s returns a status; declare it KILN_MUST_USE' % name


def check_todo(source, context):
    for token in source.comments:
        for offset, line in enumerate(token.text.split('\n')):
            found = TODO.search(line)
            if found:
                yield token.line + offset, '%s without a place to follow it up; write %s(#issue) or mend it now' % (
                    found.group(1), found.group(1))


def check_chip(source, context):
    if not source.path.startswith(CHIP_FREE) or source.path in CHIP_WORDS:
        return
    bodies = [source.code] + [tokens for _, name, tokens in source.directives if name == 'define']
    for tokens in bodies:
        for token in tokens:
            named = (token.kind == 'string' and CHIP_STRING.fullmatch(token.text.strip('"'))
                     or token.kind == 'ident' and CHIP_IDENT.search(token.text))
            if named:
                yield token.line, '%s names a chip; make the fact a column in src/chip/' % token.text


C_CHECKS = {
    'include': check_include, 'state': check_state, 'print': check_print, 'banned': check_banned,
    'codec': check_codec, 'wait': check_wait, 'system': check_system, 'packed': check_packed,
    'default': check_default, 'nesting': check_nesting, 'length': check_length, 'spdx': check_spdx,
    'guard': check_guard, 'must-use': check_must_use, 'todo': check_todo,
    'chip': check_chip,
}


def check_text(path, text):
    """Rules for files of any kind."""
    for number, line in enumerate(text.split('\n'), 1):
        if MACHINE.search(line):
            yield Finding(path, number, 'machine', 'a path of a machine or the host of a registry: %s' %
                          MACHINE.search(line).group())
        if not path.endswith(('.c', '.h', '.md')) and path != 'tools/lint.py':
            found = re.search(r'(#|//|/\*).*', line)
            if found and TODO.search(found.group()):
                yield Finding(path, number, 'todo', 'a TODO without a place to follow it up')
    if SCRIPT.search(path) and 'SPDX-License-Identifier: MIT' not in '\n'.join(text.split('\n')[:3]):
        yield Finding(path, 1, 'spdx', 'no line "SPDX-License-Identifier: MIT" among the first three')


def check_c(path, text, context):
    source = Source(path, text)
    for rule, check in C_CHECKS.items():
        for line, message in check(source, context):
            yield Finding(path, line, rule, message)


# ---- headers alone ------------------------------------------------------------------------------------


def pkg_cflags():
    done = subprocess.run(['pkg-config', '--cflags', 'libusb-1.0', 'libelf', 'jansson'], capture_output=True, text=True)
    return done.stdout.split()


def compile_alone(path, cflags, virtual=None):
    """None, or the compiler's first complaint."""
    cc = os.environ.get('CC', 'cc').split()
    command = cc + ['-std=gnu17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-fsyntax-only', '-Iinclude',
                    '-Isrc', '-I.'] + cflags + ['-include', virtual or path, '-x', 'c', '/dev/null']
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    return next((line for line in done.stderr.splitlines() if 'error' in line), done.stderr[:200])


def check_alone(paths):
    cflags = pkg_cflags()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for path, complaint in zip(paths, pool.map(lambda p: compile_alone(p, cflags), paths)):
            if complaint:
                yield Finding(path, 1, 'alone', complaint)


# ---- the whole tree -----------------------------------------------------------------------------------


class Context:
    """What the rules know of the tree as a whole."""

    def __init__(self, files):
        with open(os.path.join(ROOT, 'docs/architecture.md'), encoding='utf-8') as page:
            self.table = read_include_table(page.read())
        self.layers = {row.rstrip('/').split('/')[-1] for row in self.table}
        self.enumerators = {}
        for path in files:
            if path.endswith('.h') and not path.startswith(SAMPLES):
                self.learn_enums(Source(path, read(path)))

    def learn_enums(self, source):
        """Names of the members of named enums; anonymous ones are mere constants."""
        for i in range(len(source.code) - 2):
            if source.code[i].text == 'enum' and source.text_at(i + 2) == '{' and i + 2 in source.pair:
                members = [source.code[k] for k in source.outside(i + 3, source.pair[i + 2])]
                for k, token in enumerate(members):
                    if token.kind == 'ident' and (k == 0 or members[k - 1].text == ','):
                        self.enumerators[token.text] = 'enum ' + source.code[i + 1].text


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8', errors='surrogateescape') as file:
        return file.read()


def known_files():
    done = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=ROOT,
                          capture_output=True, check=True)
    names = [name for name in done.stdout.decode('utf-8', 'surrogateescape').split('\0') if name]
    return [name for name in names if os.path.isfile(os.path.join(ROOT, name))]


def is_binary(path):
    with open(os.path.join(ROOT, path), 'rb') as file:
        return b'\0' in file.read(4096)


def check_table(context):
    """Each folder with sources has a row, each row a folder: the page shows the tree as it is."""
    have = {os.path.dirname(path) + '/' for path in known_files() if re.match(r'(src|sim)/.*\.[ch]$', path)}
    for folder in sorted(have):
        if layer_of(folder, context.table) is None:
            yield Finding('docs/architecture.md', 1, 'include', '%s has no row in the include table' % folder)
    for row in sorted(context.table):
        if not os.path.isdir(os.path.join(ROOT, row)):
            yield Finding('docs/architecture.md', 1, 'include', '%s is in the include table and not there' % row)


def check_tree(paths):
    files = known_files()
    context = Context(files)
    chosen = [path for path in (paths or files) if not path.startswith(SAMPLES)]
    findings = [] if paths else list(check_table(context))
    for path in chosen:
        if is_binary(path):
            continue
        text = read(path)
        findings += check_text(path, text)
        if path.endswith(('.c', '.h')):
            findings += check_c(path, text, context)
    # Headers of the examples and of the flasher are for another machine; their build compiles them.
    findings += check_alone([path for path in chosen if path.endswith('.h') and not path.startswith(('examples/', 'sim/front/', 'flasher/'))])
    return findings


# ---- the linter's own samples -----------------------------------------------------------------------------


def sample_findings(name, context):
    """A sample says in `lint-as: PATH` where it pretends to be."""
    path = SAMPLES + name
    text = read(path)
    virtual = re.search(r'lint-as: (\S+)', text).group(1)
    own = Context.__new__(Context)
    own.table, own.layers, own.enumerators = context.table, context.layers, dict(context.enumerators)
    own.learn_enums(Source(virtual, text))
    findings = list(check_text(virtual, text))
    if virtual.endswith(('.c', '.h')):
        findings += check_c(virtual, text, own)
    if virtual.endswith('.h'):
        complaint = compile_alone(path, [])
        if complaint:
            findings.append(Finding(virtual, 1, 'alone', complaint))
    return findings, text


def check_samples():
    """Every rule has a bad sample, in which exactly the lines marked BAD are reported and by that rule only,
    and a good one, in which nothing is."""
    context = Context(known_files())
    names = sorted(os.listdir(os.path.join(ROOT, SAMPLES)))
    wrong = []
    for rule in RULES:
        bad = [name for name in names if name.startswith(rule + '.bad')]
        good = [name for name in names if name.startswith(rule + '.good')]
        if not bad or not good:
            wrong.append('%s: no %s sample' % (rule, 'bad' if not bad else 'good'))
        for name in bad:
            findings, text = sample_findings(name, context)
            want = {n for n, line in enumerate(text.split('\n'), 1) if 'BAD' in line} or {1}
            got = {f.line for f in findings}
            for finding in findings:
                if finding.rule != rule:
                    wrong.append('%s:%d: reported by %s: %s' % (name, finding.line, finding.rule, finding.text))
            wrong += ['%s:%d: not reported' % (name, line) for line in sorted(want - got)]
            wrong += ['%s:%d: reported and not marked BAD' % (name, line) for line in sorted(got - want)]
        for name in good:
            findings, _ = sample_findings(name, context)
            wrong += ['%s:%d: reported by %s: %s' % (name, f.line, f.rule, f.text) for f in findings]
    for line in wrong:
        print(line)
    print('%d rules, %d samples, %d wrong' % (len(RULES), len(names), len(wrong)))
    return 1 if wrong else 0


def main(arguments):
    if arguments == ['--samples']:
        return check_samples()
    if arguments == ['--rules']:
        for rule, text in RULES.items():
            print('%-10s %s' % (rule, text))
        return 0
    if any(argument.startswith('-') for argument in arguments):
        print(__doc__.strip())
        return 2
    paths = [os.path.relpath(os.path.abspath(path), ROOT) for path in arguments]
    findings = check_tree(paths)
    for finding in sorted(findings):
        print('%s:%d: %s: %s' % finding)
    print('%d findings' % len(findings))
    return 1 if findings else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
