/* SPDX-License-Identifier: MIT */
/* Sources: DWARF 4 sections 2.5 and 6.4, RISC-V ELF psABI ("DWARF register numbers"). */
#include "monitor/unwind.h"

#include "base/bytes.h"
#include "monitor/symbols.h"
#include "monitor/symbols_inside.h"

#include <dwarf.h>
#include <string.h>

#define STACK_MAX 16

int kiln_unwind_register(const char *name, size_t len)
{
    static const char *const names[] = {"RA", "SP",  "GP",  "TP", "T0", "T1", "T2", "S0/FP",
                                        "S1", "A0",  "A1",  "A2", "A3", "A4", "A5", "A6",
                                        "A7", "S2",  "S3",  "S4", "S5", "S6", "S7", "S8",
                                        "S9", "S10", "S11", "T3", "T4", "T5", "T6"};

    for (size_t i = 0; i < KILN_ARRAY_LEN(names); i++)
        if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
            return (int)i + 1;
    return -1;
}

static bool read_word(const struct kiln_unwind *state, uint32_t address, uint32_t *out_value)
{
    uint32_t offset = address - state->base;

    if (address < state->base || offset % 4 != 0 || offset / 4 >= state->words)
        return false;
    *out_value = state->word[offset / 4];
    return true;
}

/* ---- expressions ---- */

struct machine {
    const struct kiln_unwind *state;
    bool has_cfa;
    uint32_t cfa;
    uint32_t stack[STACK_MAX];
    size_t depth;
    bool is_value; /* the result is the value itself, not where it is */
};

static bool push(struct machine *machine, uint32_t value)
{
    if (machine->depth == STACK_MAX)
        return false;
    machine->stack[machine->depth++] = value;
    return true;
}

static bool push_register(struct machine *machine, uint64_t number, uint64_t offset)
{
    if (number >= KILN_UNWIND_REGISTERS || (machine->state->known >> number & 1) == 0)
        return false;
    return push(machine, machine->state->reg[number] + (uint32_t)offset);
}

static bool combine(struct machine *machine, uint8_t op)
{
    uint32_t right;

    if (machine->depth < 2)
        return false;
    right = machine->stack[--machine->depth];
    if (op == DW_OP_plus)
        machine->stack[machine->depth - 1] += right;
    else if (op == DW_OP_minus)
        machine->stack[machine->depth - 1] -= right;
    else
        machine->stack[machine->depth - 1] &= right;
    return true;
}

static bool run_op(struct machine *machine, const Dwarf_Op *op)
{
    uint32_t *top = machine->depth > 0 ? &machine->stack[machine->depth - 1] : NULL;

    if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31)
        return push_register(machine, op->atom - DW_OP_breg0, op->number);
    if (op->atom >= DW_OP_reg0 && op->atom <= DW_OP_reg31) {
        machine->is_value = true;
        return push_register(machine, op->atom - DW_OP_reg0, 0);
    }
    if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31)
        return push(machine, op->atom - DW_OP_lit0);
    switch (op->atom) {
    case DW_OP_bregx:
        return push_register(machine, op->number, op->number2);
    case DW_OP_regx:
        machine->is_value = true;
        return push_register(machine, op->number, 0);
    case DW_OP_call_frame_cfa:
        return machine->has_cfa && push(machine, machine->cfa);
    case DW_OP_const1u:
    case DW_OP_const1s:
    case DW_OP_const2u:
    case DW_OP_const2s:
    case DW_OP_const4u:
    case DW_OP_const4s:
    case DW_OP_constu:
    case DW_OP_consts:
        return push(machine, (uint32_t)op->number);
    case DW_OP_plus_uconst:
        if (top != NULL)
            *top += (uint32_t)op->number;
        return top != NULL;
    case DW_OP_plus:
    case DW_OP_minus:
    case DW_OP_and:
        return combine(machine, op->atom);
    case DW_OP_deref:
        return top != NULL && read_word(machine->state, *top, top);
    case DW_OP_stack_value:
        machine->is_value = true;
        return true;
    default:
        return false;
    }
}

static bool run(struct machine *machine, const Dwarf_Op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!run_op(machine, &ops[i]))
            return false;
    return machine->depth > 0;
}

/* ---- frames ---- */

/* A register of the caller, by the rule of this frame. False: it cannot be known. */
static bool recover(const struct kiln_unwind *state, Dwarf_Frame *frame, unsigned number,
                    uint32_t cfa, uint32_t *out_value)
{
    struct machine machine = {.state = state, .has_cfa = true, .cfa = cfa};
    Dwarf_Op memory[3], *ops = NULL;
    size_t count = 0;

    if (dwarf_frame_register(frame, (int)number, memory, &ops, &count) != 0)
        return false;
    if (count == 0 && ops == NULL) { /* the same value */
        *out_value = state->reg[number];
        return (state->known >> number & 1) != 0;
    }
    if (count == 0 || !run(&machine, ops, count))
        return false;
    *out_value = machine.stack[machine.depth - 1];
    return machine.is_value || read_word(state, *out_value, out_value);
}

static Dwarf_Frame *find_frame(struct kiln_symbols *symbols, uint32_t pc)
{
    Dwfl_Module *module = dwfl_addrmodule(symbols->dwfl, pc);
    Dwarf_Frame *frame = NULL;
    Dwarf_Addr bias;
    Dwarf_CFI *cfi;

    if (module == NULL)
        return NULL;
    cfi = dwfl_module_dwarf_cfi(module, &bias);
    if (cfi != NULL && dwarf_cfi_addrframe(cfi, pc - bias, &frame) == 0)
        return frame;
    cfi = dwfl_module_eh_cfi(module, &bias);
    if (cfi != NULL && dwarf_cfi_addrframe(cfi, pc - bias, &frame) == 0)
        return frame;
    return NULL;
}

static bool find_cfa(const struct kiln_unwind *state, Dwarf_Frame *frame, uint32_t *out_cfa)
{
    struct machine machine = {.state = state};
    Dwarf_Op *ops;
    size_t count;

    if (dwarf_frame_cfa(frame, &ops, &count) != 0 || !run(&machine, ops, count))
        return false;
    *out_cfa = machine.stack[machine.depth - 1];
    return true;
}

/* Makes the state that of the caller. */
static bool step(struct kiln_symbols *symbols, struct kiln_unwind *state, bool first)
{
    /* Behind a call that does not return there may be another function: look at the call itself. */
    Dwarf_Frame *frame = find_frame(symbols, first ? state->pc : state->pc - 1);
    uint32_t value[KILN_UNWIND_REGISTERS] = {0}, known = 0, cfa = 0,
             before = state->reg[KILN_UNWIND_SP];
    bool good =
        frame != NULL && find_cfa(state, frame, &cfa) && (first ? cfa >= before : cfa > before);

    for (unsigned i = 0; good && i < KILN_UNWIND_REGISTERS; i++)
        if (recover(state, frame, i, cfa, &value[i]))
            known |= UINT32_C(1) << i;
    free(frame);
    if (!good || (known >> KILN_UNWIND_RA & 1) == 0)
        return false;
    memcpy(state->reg, value, sizeof value);
    state->known = known | UINT32_C(1) << KILN_UNWIND_SP;
    state->reg[KILN_UNWIND_SP] = cfa;
    state->pc = state->reg[KILN_UNWIND_RA];
    return true;
}

size_t kiln_symbols_unwind(struct kiln_symbols *symbols, struct kiln_unwind *state, uint32_t *pcs,
                           size_t cap)
{
    size_t count = 0;
    Dwarf_Frame *frame = find_frame(symbols, state->pc);

    free(frame);
    if (cap == 0 || (state->known >> KILN_UNWIND_SP & 1) == 0)
        return 0;
    pcs[count++] = state->pc;
    /* A call to where no code is: nothing was done at the callee yet, its caller is in RA. */
    if (frame == NULL && (state->known >> KILN_UNWIND_RA & 1) != 0 && count < cap) {
        state->pc = state->reg[KILN_UNWIND_RA];
        if (!kiln_symbols_is_return(symbols, state->pc))
            return count;
        pcs[count++] = state->pc;
    }
    while (count < cap && step(symbols, state, count == 1) &&
           kiln_symbols_is_return(symbols, state->pc))
        pcs[count++] = state->pc;
    return count;
}
