/* SPDX-License-Identifier: MIT */
/* Looking into YAML files, with libyaml. */
#ifndef KILN_PROJECT_YAML_H
#define KILN_PROJECT_YAML_H

#include "project/build.h"

#include <yaml.h>

/* One document; dispose with yaml_document_delete(&yaml->document). */
struct kiln_yaml {
    yaml_document_t document;
    const char *path;
};

/* FILE with the line if it is damaged, IO. Nothing is to be disposed of then. */
KILN_MUST_USE enum kiln_status kiln_yaml_load(struct kiln_build *build, const char *path,
                                              struct kiln_yaml *out_yaml,
                                              struct kiln_error *out_error);

/* The value of `key` in a mapping (NULL: the root), the first if there are several; NULL if there is none. */
yaml_node_t *kiln_yaml_get(struct kiln_yaml *yaml, yaml_node_t *mapping, const char *key);
/* Item `index` of a sequence, NULL after the last or if it is none. */
yaml_node_t *kiln_yaml_item(struct kiln_yaml *yaml, yaml_node_t *sequence, size_t index);
/* The text of a scalar, NULL if it is none or holds a zero byte. */
const char *kiln_yaml_text(const yaml_node_t *node);
struct kiln_project_place kiln_yaml_place(struct kiln_build *build, const struct kiln_yaml *yaml,
                                          const yaml_node_t *node);

#endif
