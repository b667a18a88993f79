/* q2d2_wire.h - what a firmware needs to talk to a q2d2-stream peer: the lattice and the codec's
 * packets.
 *
 * C99, nothing but this file. No allocation, no global state; at most 156 bytes of table on the
 * stack. Every function checks its arguments and every byte that it is given. Functions that
 * return int return a length or Q2D2_OK (0) when they succeed, else one of the negative Q2D2_
 * errors, and write nothing that may be used.
 *
 * The lattice is the rhombic one with levels 9,9 and eleven times 7,7 (q2d2_stream/config.py);
 * tests/include/test_header.py compares all of this with the Python code.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef Q2D2_WIRE_H
#define Q2D2_WIRE_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    Q2D2_SAMPLE_RATE = 24000,
    Q2D2_HOP = 320,          /* samples of one frame */
    Q2D2_PAIRS = 12,         /* pairs of the highest rate; a latent has twice as many numbers */
    Q2D2_RATES = 4,          /* rates 0 to 3: 1.50, 1.98, 2.94, 5.83 kbps */
    Q2D2_MAX_FRAMES = 16,    /* frames of one packet */
    Q2D2_MAX_PACKED = 156,   /* bytes of 16 frames at the highest rate */
    Q2D2_MAX_PACKET = 157    /* the same with the packet's first byte */
};

enum {
    Q2D2_OK = 0,
    Q2D2_BAD_ARGUMENT = -1,  /* the caller's numbers are out of range, or not finite */
    Q2D2_NO_SPACE = -2,      /* the caller's buffer is too small */
    Q2D2_MALFORMED = -3,     /* received bytes that are not such a message */
    Q2D2_OTHER_VERSION = -4, /* a HELLO of another protocol version: refuse with reason 3 */
    Q2D2_CODED = -5          /* an entropy-coded packet: decoding it takes the model's tables */
};

enum {
    Q2D2_KIND_HELLO = 1,
    Q2D2_KIND_PROOF = 2,
    Q2D2_KIND_REFUSE = 3,
    Q2D2_KIND_BYE = 4,
    Q2D2_KIND_AUDIO = 16,
    Q2D2_KIND_PING = 17,
    Q2D2_KIND_PONG = 18,
    Q2D2_KIND_REPORT = 19,
    Q2D2_KIND_MUTE = 20,
    Q2D2_KIND_TEXT = 21,
    Q2D2_KIND_AUDIO_CODED = 22 /* entropy coded AUDIO; sent only to a peer whose HELLO told the
                                * tables' checksum, which this header's HELLO never does */
};

enum { Q2D2_CLIENT = 0, Q2D2_SERVER = 1 };
enum { Q2D2_SECRET = 1, Q2D2_DTX = 2, Q2D2_RESUMES = 4 }; /* capabilities */

/* ---- lattice ---------------------------------------------------------------------------- */

/* Grid levels of both dimensions of a pair. */
static inline int q2d2_levels(int pair) { return pair == 0 ? 9 : 7; }

/* Number of grid points of a pair: 81 corners and 64 centres, or 49 and 36. */
static inline int q2d2_codes(int pair) { return pair == 0 ? 145 : 85; }

/* Pairs sent at a rate, 0 for a rate that does not exist. */
static inline int q2d2_rate_pairs(int rate)
{
    static const uint8_t pairs[Q2D2_RATES] = {3, 4, 6, 12};
    return rate < 0 || rate >= Q2D2_RATES ? 0 : pairs[rate];
}

/* Nearest of `count` points first, first + 1, ... to x: its number. Halves go to even numbers. */
static inline double q2d2_step(double x, double first, int count)
{
    double step = rint(x - first);
    if (step > count - 1) {
        step = count - 1;
    }
    return step < 0.0 ? 0.0 : step;
}

/* Indices of the grid points nearest to a latent of 2 * pairs finite numbers in grid units. */
static inline int q2d2_nearest(const float *latent, int pairs, uint8_t *indices)
{
    int pair;
    if (pairs < 1 || pairs > Q2D2_PAIRS) {
        return Q2D2_BAD_ARGUMENT;
    }
    for (pair = 0; pair < pairs; pair++) {
        const int levels = q2d2_levels(pair);
        const double x = latent[2 * pair], y = latent[2 * pair + 1];
        const double corner = -0.5 * (levels - 1), centre = corner + 0.5;
        double sx, sy, dx, dy, distance;
        if (!isfinite(x) || !isfinite(y)) {
            return Q2D2_BAD_ARGUMENT;
        }
        sx = q2d2_step(x, corner, levels);
        sy = q2d2_step(y, corner, levels);
        dx = corner + sx - x;
        dy = corner + sy - y;
        distance = dx * dx + dy * dy;
        indices[pair] = (uint8_t)(sx + levels * sy);
        sx = q2d2_step(x, centre, levels - 1);
        sy = q2d2_step(y, centre, levels - 1);
        dx = centre + sx - x;
        dy = centre + sy - y;
        if (dx * dx + dy * dy < distance) {
            indices[pair] = (uint8_t)(levels * levels + sx + (levels - 1) * sy);
        }
    }
    return Q2D2_OK;
}

/* Grid points of indices as 2 * pairs numbers: in grid units when divide is 0, else divided so
 * that they are within -1 to 1, which is what the decoder's network takes. */
static inline int q2d2_point(const uint8_t *indices, int pairs, bool divide, float *point)
{
    int pair;
    if (pairs < 1 || pairs > Q2D2_PAIRS) {
        return Q2D2_BAD_ARGUMENT;
    }
    for (pair = 0; pair < pairs; pair++) {
        const int levels = q2d2_levels(pair), corners = levels * levels;
        const bool is_corner = indices[pair] < corners;
        const int row = is_corner ? levels : levels - 1;
        const int index = indices[pair] - (is_corner ? 0 : corners);
        const double first = -0.5 * (row - 1);
        const double unit = divide ? (double)(levels / 2) : 1.0;
        if (indices[pair] >= q2d2_codes(pair)) {
            return Q2D2_BAD_ARGUMENT;
        }
        point[2 * pair] = (float)((first + index % row) / unit);
        point[2 * pair + 1] = (float)((first + index / row) / unit);
    }
    return Q2D2_OK;
}

/* Errors of the last two frames, the newest first; a stream begins with zeros. */
typedef struct {
    float errors[2][2 * Q2D2_PAIRS];
} q2d2_shaper;

/* Indices of all pairs of the next frame's latent, which is told of those errors: what the
 * encoder's side does in place of q2d2_nearest. The feedback is the model's 2 times 24 numbers
 * ("q2d2.feedback" in its metadata). What fails leaves the shaper as it was. */
static inline int q2d2_snap(q2d2_shaper *shaper, const float *feedback, const float *latent,
                            uint8_t *indices)
{
    float aimed[2 * Q2D2_PAIRS], point[2 * Q2D2_PAIRS];
    int n;
    for (n = 0; n < 2 * Q2D2_PAIRS; n++) {
        const float reach = 0.5f * (float)(q2d2_levels(n / 2) - 1);
        const double newest = (double)shaper->errors[0][n] * feedback[n];
        const double older = (double)shaper->errors[1][n] * feedback[2 * Q2D2_PAIRS + n];
        const float wanted = (float)(latent[n] + (newest + older));
        aimed[n] = wanted > reach ? reach : wanted < -reach ? -reach : wanted;
        if (!isfinite(latent[n]) || !isfinite(wanted)) {
            return Q2D2_BAD_ARGUMENT;
        }
    }
    if (q2d2_nearest(aimed, Q2D2_PAIRS, indices) != Q2D2_OK ||
        q2d2_point(indices, Q2D2_PAIRS, false, point) != Q2D2_OK) {
        return Q2D2_BAD_ARGUMENT;
    }
    for (n = 0; n < 2 * Q2D2_PAIRS; n++) {
        shaper->errors[1][n] = shaper->errors[0][n];
        shaper->errors[0][n] = aimed[n] - point[n];
    }
    return Q2D2_OK;
}

/* ---- packing ---------------------------------------------------------------------------- */

/* Bytes that 1 to 16 frames take together; 0 when rate or frames are out of range. */
static inline int q2d2_packed_bytes(int rate, int frames)
{
    static const uint8_t bytes[Q2D2_RATES][Q2D2_MAX_FRAMES] = {
        {3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28, 30, 33, 35, 38, 40},
        {4, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40, 43, 47, 50, 53},
        {5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 54, 59, 64, 69, 74, 79},
        {10, 20, 30, 39, 49, 59, 68, 78, 88, 98, 107, 117, 127, 136, 146, 156},
    };
    if (rate < 0 || rate >= Q2D2_RATES || frames < 1 || frames > Q2D2_MAX_FRAMES) {
        return 0;
    }
    return bytes[rate][frames - 1];
}

/* All indices as one number in mixed radix, little-endian: frames * pairs indices, frame by
 * frame. Returns the number of bytes written to data. */
static inline int q2d2_pack(const uint8_t *indices, int rate, int frames, uint8_t *data,
                            size_t capacity)
{
    const int size = q2d2_packed_bytes(rate, frames), pairs = q2d2_rate_pairs(rate);
    int n, k, used = 0; /* bytes of the number so far: the product stays short while it can */
    if (size == 0) {
        return Q2D2_BAD_ARGUMENT;
    }
    if (capacity < (size_t)size) {
        return Q2D2_NO_SPACE;
    }
    memset(data, 0, (size_t)size);
    for (n = frames * pairs - 1; n >= 0; n--) {
        const unsigned codes = (unsigned)q2d2_codes(n % pairs);
        unsigned carry = indices[n];
        if (carry >= codes) {
            return Q2D2_BAD_ARGUMENT;
        }
        for (k = 0; k < used; k++) {
            carry += data[k] * codes;
            data[k] = (uint8_t)(carry & 255u);
            carry >>= 8;
        }
        if (carry != 0 && used < size) {
            data[used++] = (uint8_t)carry;
        }
    }
    return size;
}

/* Inverse of q2d2_pack: frames * pairs indices. Refuses another length, and numbers that
 * q2d2_pack never makes. */
static inline int q2d2_unpack(const uint8_t *data, size_t size, int rate, int frames,
                              uint8_t *indices)
{
    const int expected = q2d2_packed_bytes(rate, frames), pairs = q2d2_rate_pairs(rate);
    uint8_t number[Q2D2_MAX_PACKED];
    int n, k, used = expected;
    if (expected == 0) {
        return Q2D2_BAD_ARGUMENT;
    }
    if (size != (size_t)expected) {
        return Q2D2_MALFORMED;
    }
    memcpy(number, data, size);
    for (n = 0; n < frames * pairs; n++) {
        const unsigned codes = (unsigned)q2d2_codes(n % pairs);
        unsigned rest = 0;
        while (used > 0 && number[used - 1] == 0) {
            used--;
        }
        for (k = used - 1; k >= 0; k--) {
            rest = rest << 8 | number[k];
            number[k] = (uint8_t)(rest / codes);
            rest %= codes;
        }
        indices[n] = (uint8_t)rest;
    }
    for (k = 0; k < used; k++) {
        if (number[k] != 0) {
            return Q2D2_MALFORMED;
        }
    }
    return Q2D2_OK;
}

/* ---- packets ---------------------------------------------------------------------------- */

/* A packet is one byte (bits 0-3: frames minus 1; bits 4-6: rate; bit 7: entropy coded) and the
 * indices; see docs/reference/packet.md. */

/* Write a packet of frames * pairs indices, 1 to 16 frames; returns its length. */
static inline int q2d2_write_packet(const uint8_t *indices, int rate, int frames, uint8_t *data,
                                    size_t capacity)
{
    int size;
    if (q2d2_packed_bytes(rate, frames) == 0) {
        return Q2D2_BAD_ARGUMENT;
    }
    if (capacity < 1) {
        return Q2D2_NO_SPACE;
    }
    size = q2d2_pack(indices, rate, frames, data + 1, capacity - 1);
    if (size < 0) {
        return size;
    }
    data[0] = (uint8_t)((frames - 1) | rate << 4);
    return 1 + size;
}

/* Read a packet: its rate, its number of frames, and frames * pairs indices, for which there is
 * room for Q2D2_MAX_FRAMES * Q2D2_PAIRS. */
static inline int q2d2_read_packet(const uint8_t *data, size_t size, int *rate, int *frames,
                                   uint8_t *indices)
{
    if (size < 1) {
        return Q2D2_MALFORMED;
    }
    *frames = (data[0] & 15) + 1;
    *rate = data[0] >> 4 & 7;
    if (q2d2_packed_bytes(*rate, *frames) == 0) {
        return Q2D2_MALFORMED;
    }
    if ((data[0] & 128) != 0) {
        return Q2D2_CODED;
    }
    return q2d2_unpack(data + 1, size - 1, *rate, *frames, indices);
}

#ifdef __cplusplus
}
#endif

#endif /* Q2D2_WIRE_H */
