#!/bin/sh
# Builds an arm64 userland with Python and the aarch64 wheels, to be run by qemu-user.
#
#   tools/arm64/build_userland.sh bookworm build/arm64/bookworm      Python 3.11
#   tools/arm64/build_userland.sh trixie   build/arm64/trixie        Python 3.13
#
# MIRROR is Debian's mirror; without it debootstrap takes its own default.
# Needs debootstrap (which asks for root), qemu-user-static, unzip and pip. Nothing of it is
# installed: every .deb and wheel is only unpacked, so no arm64 program runs while it is built.
set -eu

suite=$1
folder=$2
case $suite in
    bookworm) python=311 ;;
    trixie) python=313 ;;
    *) echo "suite is $suite, expected bookworm or trixie" >&2 && exit 1 ;;
esac
root=$folder/root
wheels=$folder/wheels
site=$folder/site

if [ ! -e "$root/usr/lib/os-release" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --arch=arm64 --foreign --variant=minbase \
        --include=python3,libportaudio2,libstdc++6,libgomp1 "$suite" "$root" ${MIRROR:+"$MIRROR"}
    # The second stage would run thousands of programs under qemu. Unpacking is all that is needed.
    for package in "$root"/var/cache/apt/archives/*.deb; do
        dpkg-deb --extract "$package" "$root"
    done
    rm -rf "$root"/var/cache/apt/archives
fi

# onnxruntime asks the processor's features of /proc/cpuinfo, and dies of an x86 one. qemu-user
# looks for files below its root first: so this is what it finds there, a Raspberry Pi 4.
cat > "$root/proc/cpuinfo" <<'END'
processor	: 0
BogoMIPS	: 108.00
Features	: fp asimd evtstrm crc32 cpuid
CPU implementer	: 0x41
CPU architecture: 8
CPU variant	: 0x0
CPU part	: 0xd08
CPU revision	: 3

END

mkdir -p "$wheels"
python3 -m pip download --quiet --only-binary=:all: --python-version "$python" \
    --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 \
    --platform manylinux_2_27_aarch64 --platform manylinux_2_28_aarch64 --dest "$wheels" \
    numpy onnxruntime ai-edge-litert soundfile soxr sounddevice websockets rich pytest hypothesis
rm -rf "$site"
mkdir -p "$site"
for wheel in "$wheels"/*.whl; do
    unzip -qo "$wheel" -d "$site"
done
echo "$folder is ready"
