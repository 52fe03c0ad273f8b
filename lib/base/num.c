/* SPDX-License-Identifier: ISC */
/* num - see num.h. */
#include <assert.h>
#include <string.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "base/num.h"

enum parse
parse_u64(struct slice *in, uint64_t *v_r)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < in->n && in->p[i] >= '0' && in->p[i] <= '9'; i++)
		if (__builtin_mul_overflow(v, (uint64_t)10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(in->p[i] - '0'), &v))
			return PARSE_BAD;
	if (i == 0)
		return PARSE_BAD;
	*in = slice_from(*in, i);
	*v_r = v;
	return PARSE_OK;
}

bool
slice_to_u64(struct slice s, uint64_t min, uint64_t max, uint64_t *v_r)
{
	uint64_t v;

	if (parse_u64(&s, &v) != PARSE_OK || s.n != 0 || v < min || v > max)
		return false;
	*v_r = v;
	return true;
}

#define CRC32C_POLY	0x82f63b78u	/* reflected */

static uint32_t
crc32c_byte(uint32_t crc, unsigned char c)
{
	static uint32_t table[256];
	uint32_t v;
	unsigned i, bit;

	if (table[1] == 0) {
		for (i = 0; i < 256; i++) {
			for (v = i, bit = 0; bit < 8; bit++)
				v = v & 1 ? v >> 1 ^ CRC32C_POLY : v >> 1;
			table[i] = v;
		}
	}
	return crc >> 8 ^ table[(crc ^ c) & 0xff];
}

static uint32_t
crc32c_portable(uint32_t crc, struct slice s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		crc = crc32c_byte(crc, (unsigned char)s.p[i]);
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc32c_sse42(uint32_t crc, struct slice s)
{
	uint64_t wide = crc, word;

	for (; s.n >= sizeof(word); s = slice_from(s, sizeof(word))) {
		memcpy(&word, s.p, sizeof(word));
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	for (; s.n > 0; s = slice_from(s, 1))
		crc = _mm_crc32_u8(crc, (unsigned char)s.p[0]);
	return crc;
}
#endif

uint32_t
crc32c(uint32_t crc, struct slice s)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc32c_sse42(~crc, s);
#endif
	return ~crc32c_portable(~crc, s);
}

static inline uint64_t
rotl(uint64_t v, int by)
{
	return v << by | v >> (64 - by);
}

static inline __attribute__((always_inline)) void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

uint64_t
siphash(const uint64_t key[2], struct slice s)
{
	uint64_t v[4] = {
		key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du,
		key[0] ^ 0x6c7967656e657261u, key[1] ^ 0x7465646279746573u,
	};
	uint64_t last = (uint64_t)s.n << 56, word;
	size_t i;

	for (; s.n >= 8; s = slice_from(s, 8)) {
		memcpy(&word, s.p, 8);
		v[3] ^= word;
		sip_round(v);
		sip_round(v);
		v[0] ^= word;
	}
	for (i = 0; i < s.n; i++)
		last |= (uint64_t)(unsigned char)s.p[i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (i = 0; i < 4; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static const char base32[] = "0123456789abcdefghjkmnpqrstvwxyz";

struct queue_id_text
queue_id_text(uint64_t id)
{
	struct queue_id_text t;
	int i;

	for (i = QUEUE_ID_CHARS - 1; i >= 0; i--, id >>= 5)
		t.s[i] = base32[id & 31];
	t.s[QUEUE_ID_CHARS] = '\0';
	return t;
}

bool
queue_id_parse(struct slice s, uint64_t *id_r)
{
	const char *hit;
	uint64_t id = 0;
	size_t i;

	if (s.n != QUEUE_ID_CHARS || s.p[0] > 'f')
		return false;	/* the first has only four bits to give */
	for (i = 0; i < s.n; i++) {
		hit = memchr(base32, s.p[i], sizeof(base32) - 1);
		if (hit == NULL)
			return false;
		id = id << 5 | (uint64_t)(hit - base32);
	}
	*id_r = id;
	return true;
}
