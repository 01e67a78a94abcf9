#!/bin/sh
# text/x-instanced and
#instanced
# in somebody else's part are none of ours
echo hello
