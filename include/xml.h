/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xml: what an AWS Query API answers, as the JSON tree that it means. An element with elements in
 * it is an object by their names; one whose elements are all called `member` is an array of them;
 * any other is its text. Attributes and namespaces are left out. No entity but XML's own five is
 * known, and a document type declaration is refused.
 */
#pragma once

#include <jansson.h>
#include <stddef.h>

#define XML_DEPTH_MAX    32
#define XML_ELEMENTS_MAX 20000

/* The root element's content. A new reference; -EBADMSG: not such a text, or too much of it. */
int xml_to_json(const char *text, size_t length, json_t **ret_json);
