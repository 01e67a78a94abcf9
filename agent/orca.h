/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orca: the load in a header of a response, for load balancers that weigh by it: Open Request Cost
 * Aggregation (xds.data.orca.v3.OrcaLoadReport), in the text form of "endpoint-load-metrics". Pure.
 */
#pragma once

#include "load.h"

#define ORCA_FIELD_MAX 256

/* The whole field with its CRLF, of the last ten seconds; "" while nothing is known. */
void orca_render(const struct load *load, char ret_field[static ORCA_FIELD_MAX]);
