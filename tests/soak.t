#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs beside all others: three minutes of everything at once.
exec "$(dirname "$0")/soak" 3
