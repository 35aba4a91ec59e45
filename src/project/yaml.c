/* SPDX-License-Identifier: MIT */
#include "project/yaml.h"

#include <errno.h>
#include <string.h>

#define YAML_BYTES_MAX ((size_t)4 << 20)

static bool is_mapping(const yaml_node_t *node)
{
    return node != NULL && node->type == YAML_MAPPING_NODE;
}

enum kiln_status kiln_yaml_load(struct kiln_build *build, const char *path,
                                struct kiln_yaml *out_yaml, struct kiln_error *out_error)
{
    const char *shown = kiln_build_shown(build, path), *text;
    enum kiln_status status = KILN_OK;
    yaml_parser_t parser;
    size_t len;

    out_yaml->path = path;
    text = kiln_file_read(&build->arena, path, YAML_BYTES_MAX, &len);
    if (text == NULL)
        return kiln_project_fail(out_error, KILN_E_IO, "%.200s cannot be read: %s", shown,
                                 strerror(errno));
    if (yaml_parser_initialize(&parser) == 0)
        return kiln_project_fail(out_error, KILN_E_NOMEM, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    if (yaml_parser_load(&parser, &out_yaml->document) == 0) {
        status = kiln_project_fail(out_error, KILN_E_FILE, "%.160s:%zu: %.100s", shown,
                                   parser.problem_mark.line + 1,
                                   parser.problem != NULL ? parser.problem : "no YAML");
    } else if (!is_mapping(yaml_document_get_root_node(&out_yaml->document))) {
        yaml_document_delete(&out_yaml->document);
        status = kiln_project_fail(out_error, KILN_E_FILE,
                                   "%.160s:1: keys with values were expected", shown);
    }
    yaml_parser_delete(&parser);
    return status;
}

yaml_node_t *kiln_yaml_get(struct kiln_yaml *yaml, yaml_node_t *mapping, const char *key)
{
    if (mapping == NULL)
        mapping = yaml_document_get_root_node(&yaml->document);
    if (!is_mapping(mapping))
        return NULL;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const char *name = kiln_yaml_text(yaml_document_get_node(&yaml->document, pair->key));

        if (name != NULL && strcmp(name, key) == 0)
            return yaml_document_get_node(&yaml->document, pair->value);
    }
    return NULL;
}

yaml_node_t *kiln_yaml_item(struct kiln_yaml *yaml, yaml_node_t *sequence, size_t index)
{
    const yaml_node_item_t *items;

    if (sequence == NULL || sequence->type != YAML_SEQUENCE_NODE)
        return NULL;
    items = sequence->data.sequence.items.start;
    if (index >= (size_t)(sequence->data.sequence.items.top - items))
        return NULL;
    return yaml_document_get_node(&yaml->document, items[index]);
}

const char *kiln_yaml_text(const yaml_node_t *node)
{
    const char *text;

    if (node == NULL || node->type != YAML_SCALAR_NODE)
        return NULL;
    text = (const char *)node->data.scalar.value;
    return strlen(text) == node->data.scalar.length ? text : NULL;
}

struct kiln_project_place kiln_yaml_place(struct kiln_build *build, const struct kiln_yaml *yaml,
                                          const yaml_node_t *node)
{
    return (struct kiln_project_place){kiln_build_shown(build, yaml->path),
                                       node != NULL ? (unsigned)node->start_mark.line + 1 : 0};
}
