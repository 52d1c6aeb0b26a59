/* SHA-256 (FIPS 180-4): the checksum of checkpoints, of downloaded data and of weights in reports. */
#ifndef CJ__SHA256_H
#define CJ__SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    uint32_t state[8];
    uint64_t size;           /* bytes seen */
    unsigned char block[64]; /* the last, unfinished one: size % 64 bytes */
} cj__sha256;

void cj__sha256_begin(cj__sha256 *hash);
void cj__sha256_update(cj__sha256 *hash, const void *data, size_t size);
void cj__sha256_end(cj__sha256 *hash, unsigned char digest[32]);
void cj__sha256_hex(const unsigned char digest[32], char text[65]); /* lower case, zero-terminated */

#endif
