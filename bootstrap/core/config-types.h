/* SPDX-License-Identifier: Apache-2.0 */
/* config-types: the types of configuration values. Private to core/config*.c. */
#pragma once

#include "config-keys.h"

extern const struct config_type type_text, type_path, type_boolean, type_duration, type_interval,
	type_mode, type_count, type_owner, type_user, type_device, type_volume_id, type_filesystem,
	type_sha256, type_url, type_source, type_words, type_commands, type_command, type_variable,
	type_listen, type_address, type_networks, type_mount, type_link, type_size, type_update,
	type_places, type_file, type_credential, type_endpoint, type_region, type_aws_endpoint,
	type_ports, type_target_groups;

/* What types are made of: parse and clear functions of texts and lists (struct config_type). */
int config_set_text(const char *value, void *field);
void config_clear_text(void *field);
int config_list_add(struct config_list *list, const char *text, size_t length);
void config_clear_list(void *field);
int config_parse_words(const char *value, void *field);
