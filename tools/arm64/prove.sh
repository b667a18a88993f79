#!/bin/sh
# The proof without a Pi: tests, and a clip through the codec, on an emulated arm64 processor.
#
#   tools/arm64/prove.sh [PYTHON] [SUITE...]     PYTHON: the x86 interpreter to compare with
#
# Nothing here says how fast anything is: the time that an emulator takes means nothing.
set -eu
cd "$(dirname "$0")/../.."
python=${1:-python3}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- bookworm trixie
clip=apps/speech/kathleen_en_0.flac

for suite in "$@"; do
    folder=build/arm64/$suite
    tools/arm64/build_userland.sh "$suite" "$folder"
    echo "== $suite"
    tools/arm64/in_userland.sh "$folder" -c \
        "import sys, platform; print(platform.machine(), 'Python', sys.version.split()[0])"
    tools/arm64/in_userland.sh "$folder" -m pytest -q -p no:cacheprovider --hypothesis-profile=ci \
        tests/test_lattice.py tests/test_packing.py tests/test_packet.py \
        tests/protocol tests/container tests/entropy tests/engine
    "$python" tools/arm64/transcode.py $clip "$folder/x86.npz"
    tools/arm64/in_userland.sh "$folder" tools/arm64/transcode.py $clip "$folder/arm64.npz"
    "$python" tools/arm64/compare.py "$folder/x86.npz" "$folder/arm64.npz"
    "$python" tools/arm64/call.py "$folder"
done
