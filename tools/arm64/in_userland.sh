#!/bin/sh
# Runs Python in a userland of build_userland.sh: in_userland.sh FOLDER [python arguments].
#
# QEMU_CPU is a Pi 4's: the default, a processor with everything, is many times slower to emulate.
# QEMU chooses the emulator; qemu-aarch64 (package qemu-user) takes plugins, the static one does not.
set -eu
folder=$(realpath "$1")
shift
export QEMU_CPU="${QEMU_CPU:-cortex-a72}" OMP_NUM_THREADS=1
repository=$(realpath "$(dirname "$0")/../..")
export PYTHONPATH="$folder/site:$repository"
export PYTHONDONTWRITEBYTECODE=1
# shellcheck disable=SC2086
exec ${QEMU:-qemu-aarch64-static} -L "$folder/root" ${QEMU_PLUGIN:+-plugin "$QEMU_PLUGIN"} \
    "$(echo "$folder"/root/usr/bin/python3.1?)" "$@"
