# SPDX-License-Identifier: Apache-2.0
"""Takes instanced's parts of user-data, which instanced reads itself, from cloud-init's hands.

Without it cloud-init warns of a type that it does not know, and from 23.4 on calls itself degraded.
"""
import logging

NOT_MULTIPART = "text/x-not-multipart"


def list_types():
    return ["text/x-instanced", NOT_MULTIPART]


def handle_part(data, ctype, filename, payload, *_):
    text = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else payload
    if ctype == NOT_MULTIPART and text and not text.lstrip("\ufeff \t\r\n").startswith("#instanced"):
        logging.getLogger("cloudinit.handlers").warning(
            "Unhandled non-multipart (%s) userdata: %r...", ctype, text[:24])
