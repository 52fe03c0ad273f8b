/* SPDX-License-Identifier: ISC */
/* num_test - numbers, CRC-32C, SipHash and queue ids, with the vectors of
 * those who defined them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"
#include "base/test_guard.h"

static void
numbers(void **state)
{
	static const struct {
		const char	*in;
		uint64_t	 v;
		size_t		 used;	/* 0: refused */
	} t[] = {
		{ "0", 0, 1 }, { "007x", 7, 3 }, { "12 ", 12, 2 },
		{ "18446744073709551615", UINT64_MAX, 20 },
		{ "18446744073709551616", 0, 0 },
		{ "99999999999999999999", 0, 0 },
		{ "000000000000000000000000001", 1, 27 },
		{ "", 0, 0 }, { "x", 0, 0 }, { "-1", 0, 0 }, { "+1", 0, 0 },
		{ " 1", 0, 0 },
	};
	struct slice in;
	struct guard g;
	uint64_t v;
	size_t i;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		in = guard_copy(&g, slice_str(t[i].in));
		v = 42;
		assert_int_equal(parse_u64(&in, &v),
		    t[i].used > 0 ? PARSE_OK : PARSE_BAD);
		assert_int_equal(v, t[i].used > 0 ? t[i].v : 42);
		assert_int_equal(in.n, strlen(t[i].in) - t[i].used);
	}
	guard_clear(&g);
	assert_true(slice_to_u64(SLICE_LIT("5"), 5, 5, &v));
	assert_false(slice_to_u64(SLICE_LIT("5"), 6, 9, &v));
	assert_false(slice_to_u64(SLICE_LIT("5"), 0, 4, &v));
	assert_false(slice_to_u64(SLICE_LIT("5 "), 0, 9, &v));
	assert_false(slice_to_u64(SLICE_EMPTY, 0, 9, &v));
}

/* RFC 3720 appendix B.4, and the usual check value. */
static void
crc32c_vectors(void **state)
{
	static const uint8_t read10[48] = {
		0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14,
		[31] = 0x18, [32] = 0x28, [40] = 0x02,
	};
	char b[32];
	int i;

	(void)state;
	assert_int_equal(crc32c(0, SLICE_LIT("123456789")), 0xe3069283);
	assert_int_equal(crc32c(0, SLICE_EMPTY), 0);
	memset(b, 0, sizeof(b));
	assert_int_equal(crc32c(0, slice_of(b, 32)), 0x8a9136aa);
	memset(b, 0xff, sizeof(b));
	assert_int_equal(crc32c(0, slice_of(b, 32)), 0x62a8ab43);
	for (i = 0; i < 32; i++)
		b[i] = (char)i;
	assert_int_equal(crc32c(0, slice_of(b, 32)), 0x46dd794e);
	for (i = 0; i < 32; i++)
		b[i] = (char)(31 - i);
	assert_int_equal(crc32c(0, slice_of(b, 32)), 0x113fdb5c);
	assert_int_equal(crc32c(0, slice_of(read10, 48)), 0xd9963a56);
}

/* The definition, a bit at a time. */
static uint32_t
crc32c_by_bits(struct slice s)
{
	uint32_t v = ~0u;
	size_t i, bit;

	for (i = 0; i < s.n; i++) {
		v ^= (unsigned char)s.p[i];
		for (bit = 0; bit < 8; bit++)
			v = v & 1 ? v >> 1 ^ 0x82f63b78u : v >> 1;
	}
	return ~v;
}

static void
crc32c_of_every_length_in_two_parts(void **state)
{
	struct slice s;
	struct guard g;
	char b[100];
	size_t n, cut;

	(void)state;
	guard_init(&g, 100);
	for (n = 0; n < sizeof(b); n++)
		b[n] = (char)(n * 37 + 11);
	for (n = 0; n < sizeof(b); n++) {
		s = guard_copy(&g, slice_of(b, n));
		for (cut = 0; cut <= n; cut++)
			assert_int_equal(crc32c(crc32c(0,
			    slice_first(s, cut)), slice_from(s, cut)),
			    crc32c_by_bits(s));
	}
	guard_clear(&g);
}

/* From the authors' reference: key 00..0f, input 00, 01, 02 ... */
static void
siphash_vectors(void **state)
{
	static const uint64_t key[2] = {
		UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908),
	};
	static const struct {
		size_t		 n;
		uint64_t	 hash;
	} t[] = {
		{ 0, UINT64_C(0x726fdb47dd0e0e31) },
		{ 1, UINT64_C(0x74f839c593dc67fd) },
		{ 2, UINT64_C(0x0d6c8009d9a94f5a) },
		{ 3, UINT64_C(0x85676696d7fb7e2d) },
		{ 7, UINT64_C(0xab0200f58b01d137) },
		{ 8, UINT64_C(0x93f5f5799a932462) },
		{ 15, UINT64_C(0xa129ca6149be45e5) },
	};
	struct guard g;
	char b[16];
	size_t i;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(b); i++)
		b[i] = (char)i;
	for (i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		assert_true(siphash(key, guard_copy(&g,
		    slice_of(b, t[i].n))) == t[i].hash);
	guard_clear(&g);
}

static void
queue_ids(void **state)
{
	static const uint64_t ids[] = { 0, 1, 31, 32, UINT64_MAX,
		UINT64_C(0x8000000000000000), UINT64_C(1795376280000) << 20 };
	static const char *const bad[] = { "", "000000000000",
		"00000000000000", "g000000000000", "000000000000i",
		"000000000000O", "00000000000-0" };
	struct queue_id_text text, before;
	struct guard g;
	uint64_t id;
	size_t i;

	(void)state;
	guard_init(&g, 100);
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		text = queue_id_text(ids[i]);
		assert_int_equal(strlen(text.s), QUEUE_ID_CHARS);
		assert_true(queue_id_parse(guard_copy(&g, slice_str(text.s)),
		    &id));
		assert_true(id == ids[i]);
	}
	assert_string_equal(queue_id_text(UINT64_MAX).s, "fzzzzzzzzzzzz");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(queue_id_parse(guard_copy(&g, slice_str(bad[i])),
		    &id));
	/* The order of the text is the order of the numbers. */
	before = queue_id_text(0);
	for (id = 1; id < UINT64_MAX / 3; id *= 3, before = text) {
		text = queue_id_text(id);
		assert_true(strcmp(before.s, text.s) < 0);
	}
	guard_clear(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(crc32c_vectors),
		cmocka_unit_test(crc32c_of_every_length_in_two_parts),
		cmocka_unit_test(siphash_vectors),
		cmocka_unit_test(queue_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
