/* SPDX-License-Identifier: Apache-2.0 */
/* random: bits for jitter, so that those who begin together do not go on together. Not for secrets.
 */
#pragma once

#include <stdint.h>

/* Never waits; where there are none (early in a boot), the middle of the range. */
uint32_t random_bits(void);
