/* q2d2_wire.h - what a firmware needs to talk to a q2d2-stream peer: the lattice, the codec's
 * packets, and the HELLO, the sealed messages' counters and the audio of docs/reference/protocol.md,
 * protocol version 2. The firmware brings its own cryptography: X25519 or SPAKE2, SHA-256, HMAC and
 * AES-128; docs/vectors/protocol.json has vectors of every step.
 *
 * C99, nothing but this file. No allocation, no global state; at most 156 bytes of table on the
 * stack. Every function checks its arguments and every byte that it is given. Functions that
 * return int return a length or Q2D2_OK (0) when they succeed, else one of the negative Q2D2_
 * errors, and write nothing that may be used.
 *
 * The lattice is the rhombic one with levels 9,9 and five times 7,7; behind its indices the rate
 * with refinement packs nine of rhombic grids of 5,5 and 3,3 (q2d2_stream/config.py).
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
    Q2D2_PAIRS = 6,          /* pairs of a latent, which has twice as many numbers */
    Q2D2_REFINEMENTS = 9,    /* indices of the refinement, behind those of the pairs */
    Q2D2_MAX_INDICES = 15,   /* of a frame */
    Q2D2_BANDS = 40,         /* whose levels the refinement mends */
    Q2D2_RATES = 4,          /* rates 0 to 3: 1.50, 1.98, 2.94, 5.81 kbps; 3 is with refinement */
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

/* Kinds: the first three are first bytes of messages, the others of sealed control bodies. */
enum {
    Q2D2_KIND_HELLO = 1,
    Q2D2_KIND_AUTH = 2,
    Q2D2_KIND_REJECT = 3,
    Q2D2_KIND_BYE = 4,
    Q2D2_KIND_PING = 17,
    Q2D2_KIND_PONG = 18,
    Q2D2_KIND_REPORT = 19,
    Q2D2_KIND_MUTE = 20,
    Q2D2_KIND_TEXT = 21
};

enum {
    Q2D2_PROTOCOL = 2,        /* protocol version */
    Q2D2_MAX_MODELS = 8,      /* models of a HELLO */
    Q2D2_MAX_MODEL_ID = 64,   /* bytes of UTF-8 */
    Q2D2_MAX_SHARE = 33,      /* bytes of a key share */
    Q2D2_HELLO_HEADER = 47,   /* bytes of HELLO before the key share */
    Q2D2_MAX_HELLO = 706,     /* bytes of HELLO with 8 models */
    Q2D2_AUTH_BYTES = 17,     /* kind and confirmation */
    Q2D2_SEAL_HEADER = 2,     /* bytes in front of a sealed message's ciphertext */
    Q2D2_AUDIO_TAG = 4,       /* bytes of tag behind it */
    Q2D2_CONTROL_TAG = 8
};

enum { Q2D2_CLIENT = 0, Q2D2_SERVER = 1 };                /* roles */
enum { Q2D2_X25519 = 0, Q2D2_SPAKE2 = 1 };                /* methods */
enum { Q2D2_DTX = 2, Q2D2_RESUMES = 4, Q2D2_CHANNEL = 8 }; /* capabilities */
enum { Q2D2_AUDIO = 2, Q2D2_CONTROL = 3 };                /* streams: first two bits */

/* ---- lattice ---------------------------------------------------------------------------- */

/* Grid levels of both dimensions of a pair: 0 to 5 of the latent, 6 to 14 of the refinement. */
static inline int q2d2_levels(int pair)
{
    return pair == 0 ? 9 : pair < Q2D2_PAIRS ? 7 : pair < Q2D2_PAIRS + 3 ? 5 : 3;
}

/* Number of grid points of a pair: its corners, and the centres between them. */
static inline int q2d2_codes(int pair)
{
    const int levels = q2d2_levels(pair);
    return levels * levels + (levels - 1) * (levels - 1);
}

/* Pairs of the latent that are sent at a rate, 0 for a rate that does not exist. */
static inline int q2d2_rate_pairs(int rate)
{
    static const uint8_t pairs[Q2D2_RATES] = {3, 4, 6, 6};
    return rate < 0 || rate >= Q2D2_RATES ? 0 : pairs[rate];
}

/* Indices of a packed frame at a rate: of its pairs, then of the refinement. */
static inline int q2d2_rate_indices(int rate)
{
    return q2d2_rate_pairs(rate) + (rate == 3 ? Q2D2_REFINEMENTS : 0);
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

/* The same for `pairs` pairs from number `first` on, which the two functions below check. */
static inline int q2d2_nearest_of(const float *latent, int first, int pairs, uint8_t *indices)
{
    int pair;
    for (pair = 0; pair < pairs; pair++) {
        const int levels = q2d2_levels(first + pair);
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

/* Indices of the grid points nearest to a latent of 2 * pairs finite numbers in grid units. */
static inline int q2d2_nearest(const float *latent, int pairs, uint8_t *indices)
{
    if (pairs < 1 || pairs > Q2D2_PAIRS) {
        return Q2D2_BAD_ARGUMENT;
    }
    return q2d2_nearest_of(latent, 0, pairs, indices);
}

static inline int q2d2_point_of(const uint8_t *indices, int number, int pairs, bool divide,
                                float *point)
{
    int pair;
    for (pair = 0; pair < pairs; pair++) {
        const int levels = q2d2_levels(number + pair), corners = levels * levels;
        const bool is_corner = indices[pair] < corners;
        const int row = is_corner ? levels : levels - 1;
        const int index = indices[pair] - (is_corner ? 0 : corners);
        const double first = -0.5 * (row - 1);
        const double unit = divide ? (double)(levels / 2) : 1.0;
        if (indices[pair] >= q2d2_codes(number + pair)) {
            return Q2D2_BAD_ARGUMENT;
        }
        point[2 * pair] = (float)((first + index % row) / unit);
        point[2 * pair + 1] = (float)((first + index / row) / unit);
    }
    return Q2D2_OK;
}

/* Grid points of indices as 2 * pairs numbers: in grid units when divide is 0, else divided so
 * that they are within -1 to 1, which is what the decoder's network takes. */
static inline int q2d2_point(const uint8_t *indices, int pairs, bool divide, float *point)
{
    if (pairs < 1 || pairs > Q2D2_PAIRS) {
        return Q2D2_BAD_ARGUMENT;
    }
    return q2d2_point_of(indices, 0, pairs, divide, point);
}

/* Errors of the last two frames, the newest first; a stream begins with zeros. */
typedef struct {
    float errors[2][2 * Q2D2_PAIRS];
} q2d2_shaper;

/* Indices of all pairs of the next frame's latent, shaped by those errors: what the
 * encoder's side does in place of q2d2_nearest. The feedback is the model's 2 times 12 numbers
 * ("q2d2.feedback" in its metadata). What fails leaves the shaper as it was. */
static inline int q2d2_quantize(q2d2_shaper *shaper, const float *feedback, const float *latent,
                            uint8_t *indices)
{
    float target[2 * Q2D2_PAIRS], point[2 * Q2D2_PAIRS];
    int n;
    for (n = 0; n < 2 * Q2D2_PAIRS; n++) {
        const float limit = 0.5f * (float)(q2d2_levels(n / 2) - 1);
        const double newest = (double)shaper->errors[0][n] * feedback[n];
        const double older = (double)shaper->errors[1][n] * feedback[2 * Q2D2_PAIRS + n];
        const float shaped = (float)(latent[n] + (newest + older));
        target[n] = shaped > limit ? limit : shaped < -limit ? -limit : shaped;
        if (!isfinite(latent[n]) || !isfinite(shaped)) {
            return Q2D2_BAD_ARGUMENT;
        }
    }
    if (q2d2_nearest(target, Q2D2_PAIRS, indices) != Q2D2_OK ||
        q2d2_point(indices, Q2D2_PAIRS, false, point) != Q2D2_OK) {
        return Q2D2_BAD_ARGUMENT;
    }
    for (n = 0; n < 2 * Q2D2_PAIRS; n++) {
        shaper->errors[1][n] = shaper->errors[0][n];
        shaper->errors[0][n] = target[n] - point[n];
    }
    return Q2D2_OK;
}

/* ---- refinement ------------------------------------------------------------------------- */

/* How a model sends the errors of its 40 levels at a fixed size, nepers; "q2d2.refinement" of its
 * metadata has these numbers, of the basis the first 18 columns. */
typedef struct {
    float mean[Q2D2_BANDS];
    float basis[Q2D2_BANDS][2 * Q2D2_REFINEMENTS];
    float unit[2 * Q2D2_REFINEMENTS];
} q2d2_refinement;

/* Errors of 40 levels, original less decoded, as nine indices. */
static inline int q2d2_error_to_indices(const q2d2_refinement *code, const float *error,
                                        uint8_t *indices)
{
    float part[2 * Q2D2_REFINEMENTS];
    int n, k;
    for (k = 0; k < 2 * Q2D2_REFINEMENTS; k++) {
        float sum = 0.0f;
        for (n = 0; n < Q2D2_BANDS; n++) {
            sum += (error[n] - code->mean[n]) * code->basis[n][k];
        }
        part[k] = sum / code->unit[k];
    }
    return q2d2_nearest_of(part, Q2D2_PAIRS, Q2D2_REFINEMENTS, indices);
}

/* Nine indices as the error that arrives. Limit it to -3 to 3, spread it over the bins, and
 * multiply the spectrum by its exponential: docs/guides/embedding.md. */
static inline int q2d2_indices_to_error(const q2d2_refinement *code, const uint8_t *indices,
                                        float *error)
{
    float part[2 * Q2D2_REFINEMENTS];
    int n, k;
    if (q2d2_point_of(indices, Q2D2_PAIRS, Q2D2_REFINEMENTS, false, part) != Q2D2_OK) {
        return Q2D2_BAD_ARGUMENT;
    }
    for (n = 0; n < Q2D2_BANDS; n++) {
        error[n] = 0.0f;
        for (k = 0; k < 2 * Q2D2_REFINEMENTS; k++) {
            error[n] += part[k] * code->unit[k] * code->basis[n][k];
        }
        error[n] += code->mean[n];
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
        {10, 20, 30, 39, 49, 59, 68, 78, 88, 97, 107, 117, 126, 136, 146, 156},
    };
    if (rate < 0 || rate >= Q2D2_RATES || frames < 1 || frames > Q2D2_MAX_FRAMES) {
        return 0;
    }
    return bytes[rate][frames - 1];
}

/* All indices as one number in mixed radix, little-endian: frames * q2d2_rate_indices(rate), frame
 * by frame. Returns the number of bytes written to data. */
static inline int q2d2_pack(const uint8_t *indices, int rate, int frames, uint8_t *data,
                            size_t capacity)
{
    const int size = q2d2_packed_bytes(rate, frames), width = q2d2_rate_indices(rate);
    int n, k, used = 0; /* bytes of the number so far: the product stays short while it can */
    if (size == 0) {
        return Q2D2_BAD_ARGUMENT;
    }
    if (capacity < (size_t)size) {
        return Q2D2_NO_SPACE;
    }
    memset(data, 0, (size_t)size);
    for (n = frames * width - 1; n >= 0; n--) {
        const unsigned codes = (unsigned)q2d2_codes(n % width);
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

/* Inverse of q2d2_pack. Refuses another length, and numbers that
 * q2d2_pack never makes. */
static inline int q2d2_unpack(const uint8_t *data, size_t size, int rate, int frames,
                              uint8_t *indices)
{
    const int expected = q2d2_packed_bytes(rate, frames), width = q2d2_rate_indices(rate);
    uint8_t number[Q2D2_MAX_PACKED];
    int n, k, used = expected;
    if (expected == 0) {
        return Q2D2_BAD_ARGUMENT;
    }
    if (size != (size_t)expected) {
        return Q2D2_MALFORMED;
    }
    memcpy(number, data, size);
    for (n = 0; n < frames * width; n++) {
        const unsigned codes = (unsigned)q2d2_codes(n % width);
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

/* Write a packet of frames * q2d2_rate_indices(rate) indices, 1 to 16 frames; returns its length. */
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

/* Read a packet: its rate, its number of frames, and as many indices as those have, for which there
 * is room for Q2D2_MAX_FRAMES * Q2D2_MAX_INDICES. */
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

/* ---- messages --------------------------------------------------------------------------- */

static inline void q2d2_put_u16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value & 255u);
    at[1] = (uint8_t)(value >> 8 & 255u);
}

static inline void q2d2_put_u32(uint8_t *at, uint32_t value)
{
    q2d2_put_u16(at, (unsigned)(value & 0xffffu));
    q2d2_put_u16(at + 2, (unsigned)(value >> 16));
}

static inline unsigned q2d2_get_u16(const uint8_t *at) { return at[0] | (unsigned)at[1] << 8; }

static inline uint32_t q2d2_get_u32(const uint8_t *at)
{
    return (uint32_t)q2d2_get_u16(at) | (uint32_t)q2d2_get_u16(at + 2) << 16;
}

/* Whether the bytes are UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
static inline bool q2d2_is_utf8(const uint8_t *text, size_t size)
{
    size_t at = 0;
    while (at < size) {
        const unsigned lead = text[at++];
        const size_t more = lead < 0x80 ? 0 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : 3;
        unsigned low = 0x80, high = 0xbf; /* bounds of the second byte */
        size_t k;
        if (lead < 0x80) {
            continue;
        }
        if (lead < 0xc2 || lead > 0xf4 || size - at < more) {
            return false;
        }
        low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : low;
        high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : high;
        for (k = 0; k < more; k++, low = 0x80, high = 0xbf) {
            if (text[at] < low || text[at] > high) {
                return false;
            }
            at++;
        }
    }
    return true;
}

/* ---- sealed messages -------------------------------------------------------------------- */

/* The counter of audio is 2^32 plus the sequence number of the first frame, and goes on where that
 * wraps; that of control counts messages from 0. Write what travels of it. */
static inline int q2d2_write_seal_header(int stream, uint64_t counter, uint8_t *data)
{
    if (stream != Q2D2_AUDIO && stream != Q2D2_CONTROL) {
        return Q2D2_BAD_ARGUMENT;
    }
    data[0] = (uint8_t)((unsigned)stream << 6 | (unsigned)(counter >> 8 & 63u));
    data[1] = (uint8_t)(counter & 255u);
    return Q2D2_SEAL_HEADER;
}

/* Read it: the stream, and the counter nearest to the one expected next, which is one more than the
 * highest that has been opened. A tag must still be checked, over all 64 bits. */
static inline int q2d2_read_seal_header(const uint8_t *data, size_t size, uint64_t expected,
                                        int *stream, uint64_t *counter)
{
    uint64_t ahead;
    if (size < Q2D2_SEAL_HEADER || (data[0] & 128) == 0) {
        return Q2D2_MALFORMED;
    }
    *stream = data[0] >> 6;
    ahead = ((((uint64_t)data[0] & 63u) << 8 | data[1]) - expected) & 16383u;
    if (ahead >= 8192 && expected < 16384 - ahead) {
        return Q2D2_MALFORMED; /* before the first one */
    }
    *counter = expected + ahead - (ahead >= 8192 ? 16384u : 0u);
    return Q2D2_OK;
}

/* SFrame's nonce: the salt of 12 bytes, with the counter, big-endian, in its last 8. */
static inline void q2d2_seal_nonce(const uint8_t *salt, uint64_t counter, uint8_t *nonce)
{
    int n;
    for (n = 0; n < 12; n++) {
        const uint64_t byte = n < 4 ? 0 : counter >> (8 * (11 - n)) & 255u;
        nonce[n] = (uint8_t)(salt[n] ^ byte);
    }
}

/* ---- audio ------------------------------------------------------------------------------ */

/* What stands before the packet in the body of sealed audio. */
typedef struct {
    bool start, end, dtx;   /* begins or ends a talk spurt; keep-alive inside silence */
    bool has_timestamp;     /* without: as far from the sequence number as the one before */
    uint32_t timestamp;     /* of the first frame, among those captured */
    const uint8_t *rider;   /* a control message that came along, for q2d2_read_audio; or null */
    int rider_bytes;
    const uint8_t *copies;  /* a packet of the frames before, at the lowest rate; or null */
    int copies_bytes;
} q2d2_audio;

/* Write the body of sealed audio with a packet of so many frames; returns its length. */
static inline int q2d2_write_audio(const q2d2_audio *audio, const uint8_t *indices, int rate,
                                   int frames, uint8_t *data, size_t capacity)
{
    const size_t at = audio->has_timestamp ? 5 : 1;
    int size;
    if (capacity < at) {
        return Q2D2_NO_SPACE;
    }
    data[0] = (uint8_t)((audio->start ? 1 : 0) | (audio->end ? 2 : 0) | (audio->dtx ? 4 : 0) |
                        (audio->has_timestamp ? 8 : 0));
    if (audio->has_timestamp) {
        q2d2_put_u32(data + 1, audio->timestamp);
    }
    size = q2d2_write_packet(indices, rate, frames, data + at, capacity - at);
    return size < 0 ? size : (int)at + size;
}

/* One byte of length and so many bytes, of which something must follow. */
static inline bool q2d2_take_part(const uint8_t *data, size_t size, size_t *at,
                                  const uint8_t **part, int *bytes)
{
    if (size - *at < 1 || size - *at - 1 <= data[*at]) {
        return false;
    }
    *bytes = data[*at];
    *part = data + *at + 1;
    *at += 1 + (size_t)*bytes;
    return true;
}

/* Read the body of sealed audio; rider and copies point into data. Indices has room for
 * Q2D2_MAX_FRAMES * Q2D2_MAX_INDICES. */
static inline int q2d2_read_audio(const uint8_t *data, size_t size, q2d2_audio *audio, int *rate,
                                  int *frames, uint8_t *indices)
{
    size_t at = 1;
    if (size < 1 || (data[0] & 192) != 0) {
        return Q2D2_MALFORMED;
    }
    audio->start = (data[0] & 1) != 0;
    audio->end = (data[0] & 2) != 0;
    audio->dtx = (data[0] & 4) != 0;
    audio->has_timestamp = (data[0] & 8) != 0;
    audio->timestamp = 0;
    audio->rider = audio->copies = NULL;
    audio->rider_bytes = audio->copies_bytes = 0;
    if (audio->has_timestamp) {
        if (size < 5) {
            return Q2D2_MALFORMED;
        }
        audio->timestamp = q2d2_get_u32(data + 1);
        at = 5;
    }
    if (((data[0] & 16) != 0 &&
         !q2d2_take_part(data, size, &at, &audio->rider, &audio->rider_bytes)) ||
        ((data[0] & 32) != 0 &&
         !q2d2_take_part(data, size, &at, &audio->copies, &audio->copies_bytes))) {
        return Q2D2_MALFORMED;
    }
    return q2d2_read_packet(data + at, size - at, rate, frames, indices);
}

/* ---- HELLO ------------------------------------------------------------------------------ */

typedef struct {
    uint8_t hash[8];
    unsigned rates;                      /* bit r: can decode rate r; at least one of 7 bits */
    uint32_t tables;                     /* checksum of the entropy tables; 0 for none */
    int id_bytes;                        /* 1 to 64 */
    uint8_t id[Q2D2_MAX_MODEL_ID];       /* UTF-8, no zero at the end; may hold control characters
                                          * when a peer sent it: do not print it */
} q2d2_model;

/* HELLO: the first message of both sides. All of it, as it was sent, goes into the keys. */
typedef struct {
    int role;                            /* Q2D2_CLIENT or Q2D2_SERVER */
    int method;                          /* Q2D2_X25519 or Q2D2_SPAKE2 */
    unsigned capabilities;               /* 16 bits; unknown ones are to be ignored */
    int frames_per_message;              /* wanted, 1 to 16 */
    uint32_t sequence;                   /* that the sender's next frame will have */
    uint8_t call_id[16];
    uint8_t nonce[16];
    uint8_t share[Q2D2_MAX_SHARE];       /* 32 bytes for X25519, 33 for SPAKE2 */
    int model_count;                     /* 1 to 8, the preferred one first */
    q2d2_model models[Q2D2_MAX_MODELS];
} q2d2_hello;

static inline int q2d2_share_bytes(int method) { return method == Q2D2_SPAKE2 ? 33 : 32; }

static inline bool q2d2_hello_is_valid(const q2d2_hello *hello)
{
    int n;
    if ((hello->role != Q2D2_CLIENT && hello->role != Q2D2_SERVER) ||
        (hello->method != Q2D2_X25519 && hello->method != Q2D2_SPAKE2) ||
        hello->capabilities > 0xffffu || hello->frames_per_message < 1 ||
        hello->frames_per_message > Q2D2_MAX_FRAMES || hello->model_count < 1 ||
        hello->model_count > Q2D2_MAX_MODELS) {
        return false;
    }
    for (n = 0; n < hello->model_count; n++) {
        const q2d2_model *model = &hello->models[n];
        if (model->rates < 1 || model->rates > 127 || model->id_bytes < 1 ||
            model->id_bytes > Q2D2_MAX_MODEL_ID ||
            !q2d2_is_utf8(model->id, (size_t)model->id_bytes)) {
            return false;
        }
    }
    return true;
}

/* Write a HELLO; returns its length. */
static inline int q2d2_write_hello(const q2d2_hello *hello, uint8_t *data, size_t capacity)
{
    size_t at, share, size;
    int n;
    if (!q2d2_hello_is_valid(hello)) {
        return Q2D2_BAD_ARGUMENT;
    }
    share = (size_t)q2d2_share_bytes(hello->method);
    size = Q2D2_HELLO_HEADER + 1 + share + 1;
    for (n = 0; n < hello->model_count; n++) {
        size += 14 + (size_t)hello->models[n].id_bytes;
    }
    if (capacity < size) {
        return Q2D2_NO_SPACE;
    }
    data[0] = Q2D2_KIND_HELLO;
    memcpy(data + 1, "Q2D2", 4);
    data[5] = Q2D2_PROTOCOL;
    data[6] = (uint8_t)hello->role;
    data[7] = (uint8_t)hello->method;
    q2d2_put_u16(data + 8, hello->capabilities);
    data[10] = (uint8_t)hello->frames_per_message;
    q2d2_put_u32(data + 11, hello->sequence);
    memcpy(data + 15, hello->call_id, 16);
    memcpy(data + 31, hello->nonce, 16);
    data[47] = (uint8_t)share;
    memcpy(data + 48, hello->share, share);
    at = 48 + share;
    data[at++] = (uint8_t)hello->model_count;
    for (n = 0; n < hello->model_count; n++) {
        const q2d2_model *model = &hello->models[n];
        memcpy(data + at, model->hash, 8);
        data[at + 8] = (uint8_t)model->rates;
        q2d2_put_u32(data + at + 9, model->tables);
        data[at + 13] = (uint8_t)model->id_bytes;
        memcpy(data + at + 14, model->id, (size_t)model->id_bytes);
        at += 14 + (size_t)model->id_bytes;
    }
    return (int)size;
}

/* Read a HELLO. Bytes after the last model are a later version's fields, and ignored. */
static inline int q2d2_read_hello(const uint8_t *data, size_t size, q2d2_hello *hello)
{
    size_t at, share;
    int n;
    if (size < 6 || data[0] != Q2D2_KIND_HELLO || memcmp(data + 1, "Q2D2", 4) != 0) {
        return Q2D2_MALFORMED;
    }
    if (data[5] != Q2D2_PROTOCOL) {
        return Q2D2_OTHER_VERSION;
    }
    if (size < Q2D2_HELLO_HEADER + 1) {
        return Q2D2_MALFORMED;
    }
    hello->role = data[6];
    hello->method = data[7];
    hello->capabilities = q2d2_get_u16(data + 8);
    hello->frames_per_message = data[10];
    hello->sequence = q2d2_get_u32(data + 11);
    memcpy(hello->call_id, data + 15, 16);
    memcpy(hello->nonce, data + 31, 16);
    share = data[47];
    if (hello->method > Q2D2_SPAKE2 || share != (size_t)q2d2_share_bytes(hello->method) ||
        size < 48 + share + 1) {
        return Q2D2_MALFORMED;
    }
    memcpy(hello->share, data + 48, share);
    at = 48 + share;
    hello->model_count = data[at++];
    if (hello->model_count > Q2D2_MAX_MODELS) {
        return Q2D2_MALFORMED;
    }
    for (n = 0; n < hello->model_count; n++) {
        q2d2_model *model = &hello->models[n];
        if (size - at < 14) {
            return Q2D2_MALFORMED;
        }
        memcpy(model->hash, data + at, 8);
        model->rates = data[at + 8];
        model->tables = q2d2_get_u32(data + at + 9);
        model->id_bytes = data[at + 13];
        at += 14;
        if (model->id_bytes > Q2D2_MAX_MODEL_ID || size - at < (size_t)model->id_bytes) {
            return Q2D2_MALFORMED;
        }
        memcpy(model->id, data + at, (size_t)model->id_bytes);
        at += (size_t)model->id_bytes;
    }
    return q2d2_hello_is_valid(hello) ? Q2D2_OK : Q2D2_MALFORMED;
}

#ifdef __cplusplus
}
#endif

#endif /* Q2D2_WIRE_H */
