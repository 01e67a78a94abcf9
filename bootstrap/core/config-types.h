/* SPDX-License-Identifier: Apache-2.0 */
/* config-types: the types of configuration values. Private to core/config*.c. */
#pragma once

#include "config-keys.h"

extern const struct config_type type_text, type_path, type_boolean, type_duration, type_interval,
	type_mode, type_count, type_owner, type_user, type_device, type_volume_id, type_filesystem,
	type_sha256, type_url, type_source, type_words, type_commands, type_command, type_variable,
	type_listen, type_address, type_networks, type_mount;
