/* Runs include/q2d2_wire.h on lines of "operation a b c hex" from stdin, one answer line each;
 * see test_c_header.py. Every input is copied to a block of exactly its size, so that the address
 * sanitizer sees a byte read beyond it. */
#include "q2d2_wire.h"

#include <stdio.h>
#include <stdlib.h>

static uint8_t *from_hex(const char *text, size_t size)
{
    uint8_t *data = malloc(size ? size : 1);
    size_t n;
    for (n = 0; n < size; n++) {
        char digits[3] = {text[2 * n], text[2 * n + 1], 0};
        data[n] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return data;
}

static void print_hex(const void *data, size_t size)
{
    size_t n;
    for (n = 0; n < size; n++) {
        printf("%02x", ((const uint8_t *)data)[n]);
    }
}

static void answer(const char *operation, const long a[3], const uint8_t *data, size_t size)
{
    if (strcmp(operation, "nearest") == 0) {
        uint8_t *indices = malloc(size / 8 + 1);
        const int code = q2d2_nearest((const float *)(const void *)data, (int)(size / 8), indices);
        printf("%d ", code);
        print_hex(indices, code == Q2D2_OK ? size / 8 : 0);
        free(indices);
    } else if (strcmp(operation, "quantize") == 0) { /* the feedback, then latents of some frames */
        const float *numbers = (const float *)(const void *)data;
        q2d2_shaper shaper = {{{0}}};
        uint8_t indices[Q2D2_PAIRS];
        size_t n;
        for (n = 4 * Q2D2_PAIRS; n + 2 * Q2D2_PAIRS <= size / 4; n += 2 * Q2D2_PAIRS) {
            const int code = q2d2_quantize(&shaper, numbers, numbers + n, indices);
            printf("%d ", code);
            print_hex(indices, code == Q2D2_OK ? Q2D2_PAIRS : 0);
            printf(" ");
        }
    } else if (strcmp(operation, "point") == 0) {
        float *point = malloc(8 * size + 1);
        const int code = q2d2_point(data, (int)size, a[0] != 0, point);
        printf("%d ", code);
        print_hex(point, code == Q2D2_OK ? 8 * size : 0);
        free(point);
    } else if (strcmp(operation, "refine") == 0) { /* the code, then errors of some windows */
        const float *numbers = (const float *)(const void *)data;
        q2d2_refinement code;
        uint8_t indices[Q2D2_REFINEMENTS];
        float error[Q2D2_BANDS];
        size_t n;
        memcpy(&code, numbers, sizeof code);
        for (n = sizeof code / 4; n + Q2D2_BANDS <= size / 4; n += Q2D2_BANDS) {
            const int found = q2d2_error_to_indices(&code, numbers + n, indices);
            printf("%d ", found);
            if (found == Q2D2_OK && q2d2_indices_to_error(&code, indices, error) == Q2D2_OK) {
                print_hex(indices, sizeof indices);
                printf(" ");
                print_hex(error, sizeof error);
                printf(" ");
            }
        }
    } else if (strcmp(operation, "pack") == 0) {
        uint8_t *packed = malloc((size_t)a[2] + 1);
        const int code = q2d2_pack(data, (int)a[0], (int)a[1], packed, (size_t)a[2]);
        printf("%d ", code);
        print_hex(packed, code < 0 ? 0 : (size_t)code);
        free(packed);
    } else if (strcmp(operation, "unpack") == 0) {
        uint8_t indices[Q2D2_MAX_FRAMES * Q2D2_MAX_INDICES];
        const int code = q2d2_unpack(data, size, (int)a[0], (int)a[1], indices);
        printf("%d ", code);
        print_hex(indices, code < 0 ? 0 : (size_t)(a[1] * q2d2_rate_indices((int)a[0])));
    } else if (strcmp(operation, "packet") == 0) { /* read, and written again */
        uint8_t indices[Q2D2_MAX_FRAMES * Q2D2_MAX_INDICES], again[Q2D2_MAX_PACKET];
        int rate, frames;
        const int code = q2d2_read_packet(data, size, &rate, &frames, indices);
        printf("%d ", code);
        if (code == Q2D2_OK) {
            const int length = q2d2_write_packet(indices, rate, frames, again, size);
            print_hex(again, length < 0 ? 0 : (size_t)length);
            printf(" %d %d ", rate, frames);
            print_hex(indices, (size_t)(frames * q2d2_rate_indices(rate)));
        }
    } else if (strcmp(operation, "audio") == 0) { /* read; what is no more than a packet, again */
        uint8_t indices[Q2D2_MAX_FRAMES * Q2D2_MAX_INDICES], *again = malloc(size + 1);
        q2d2_audio audio;
        int rate, frames;
        const int code = q2d2_read_audio(data, size, &audio, &rate, &frames, indices);
        printf("%d ", code);
        if (code == Q2D2_OK) {
            const int length = q2d2_write_audio(&audio, indices, rate, frames, again, size);
            if (audio.rider == NULL && audio.copies == NULL) {
                print_hex(again, length < 0 ? 0 : (size_t)length);
            } else {
                printf("-");
            }
            printf(" %d %d %d %d %lu %d %d r", audio.start, audio.end, audio.dtx,
                   audio.has_timestamp, (unsigned long)audio.timestamp, rate, frames);
            print_hex(audio.rider, (size_t)audio.rider_bytes);
            printf(" c");
            print_hex(audio.copies, (size_t)audio.copies_bytes);
            printf(" ");
            print_hex(indices, (size_t)(frames * q2d2_rate_indices(rate)));
        }
        free(again);
    } else if (strcmp(operation, "hello") == 0) {
        uint8_t again[Q2D2_MAX_HELLO];
        q2d2_hello hello;
        const int code = q2d2_read_hello(data, size, &hello);
        printf("%d ", code);
        if (code == Q2D2_OK) {
            const int length = q2d2_write_hello(&hello, again, sizeof again);
            int n;
            print_hex(again, length < 0 ? 0 : (size_t)length);
            printf(" %d %d %u %d %lu ", hello.role, hello.method, hello.capabilities,
                   hello.frames_per_message, (unsigned long)hello.sequence);
            print_hex(hello.call_id, 16);
            print_hex(hello.nonce, 16);
            print_hex(hello.share, (size_t)q2d2_share_bytes(hello.method));
            for (n = 0; n < hello.model_count; n++) {
                printf(" %u %lu ", hello.models[n].rates, (unsigned long)hello.models[n].tables);
                print_hex(hello.models[n].hash, 8);
                print_hex(hello.models[n].id, (size_t)hello.models[n].id_bytes);
            }
        }
    } else if (strcmp(operation, "seal") == 0) { /* salt and header; expected is 2^32 a + b */
        const uint64_t expected = (uint64_t)a[0] << 32 | (uint64_t)a[1];
        uint8_t nonce[12], again[Q2D2_SEAL_HEADER];
        uint64_t counter;
        int stream;
        const int code = size < 12 ? Q2D2_MALFORMED
                                   : q2d2_read_seal_header(data + 12, size - 12, expected, &stream,
                                                           &counter);
        printf("%d ", code);
        if (code == Q2D2_OK) {
            q2d2_seal_nonce(data, counter, nonce);
            q2d2_write_seal_header(stream, counter, again);
            printf("%d %llu ", stream, (unsigned long long)counter);
            print_hex(nonce, 12);
            printf(" ");
            print_hex(again, Q2D2_SEAL_HEADER);
        }
    }
    printf("\n");
}

int main(void)
{
    static char line[16384], operation[16], text[16384];
    long a[3];
    while (fgets(line, sizeof line, stdin) != NULL) {
        text[0] = 0;
        if (sscanf(line, "%15s %ld %ld %ld %16383s", operation, &a[0], &a[1], &a[2],
                   text) >= 4) {
            const size_t size = strlen(text) / 2;
            uint8_t *data = from_hex(text, size);
            answer(operation, a, data, size);
            free(data);
        }
    }
    return 0;
}
