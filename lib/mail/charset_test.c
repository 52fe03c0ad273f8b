/* SPDX-License-Identifier: ISC */
/* charset_test - character sets, encoded words, the form for comparison. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <iconv.h>
#include <stdlib.h>
#include <time.h>

#include "base/test_guard.h"
#include "mail/address.h"
#include "mail/charset.h"

#define TEXT(s)	{ s, sizeof(s) - 1 }
#define BAD	"\xef\xbf\xbd"

static const struct {
	const char	*charset;
	struct slice	 in, want;
	bool		 known;
} charset_cases[] = {
	{ "utf-8", TEXT("\xc3\xa9"), TEXT("\xc3\xa9"), true },
	{ "UTF8", TEXT("\xc3\xa9"), TEXT("\xc3\xa9"), true },
	{ "us-ascii", TEXT("abc"), TEXT("abc"), true },
	{ "", TEXT("\xe9"), TEXT("\xc3\xa9"), true },
	/* what is no UTF-8 is windows-1252 */
	{ "utf-8", TEXT("\xe9"), TEXT("\xc3\xa9"), true },
	{ "utf-8", TEXT("\xc3\xa9\xe9z\xc3"),
	    TEXT("\xc3\xa9\xc3\xa9z\xc3\x83"), true },
	{ "iso-8859-1", TEXT("\xe9\x80"), TEXT("\xc3\xa9\xe2\x82\xac"), true },
	{ " Latin1 ", TEXT("\xe9"), TEXT("\xc3\xa9"), true },
	{ "iso-8859-15", TEXT("\xa4"), TEXT("\xe2\x82\xac"), true },
	{ "koi8-r", TEXT("\xf0"), TEXT("\xd0\x9f"), true },
	{ "windows-1251", TEXT("\xcf"), TEXT("\xd0\x9f"), true },
	{ "iso-8859-8", TEXT("\xe0\xff"), TEXT("\xd7\x90" BAD), true },
	{ "gb2312", TEXT("\xc4\xe3"), TEXT("\xe4\xbd\xa0"), true },
	{ "iso-2022-jp", TEXT("\x1b$B$\"\x1b(B!"), TEXT("\xe3\x81\x82!"), true },
	{ "shift_jis", TEXT("\x82\xa0"), TEXT("\xe3\x81\x82"), true },
	{ "euc-jp", TEXT("\xa4\xa2\xa4"), TEXT("\xe3\x81\x82" BAD), true },
	{ "euc-jp", TEXT("\xff\xa4\xa2"), TEXT(BAD "\xe3\x81\x82"), true },
	{ "utf-16be", TEXT("\0a\xd8"), TEXT("a" BAD), true },
	{ "utf-16", TEXT("\xff\xfe" "a\0"), TEXT("a"), true },
	{ "utf-7", TEXT("+AOk-"), TEXT("\xc3\xa9"), true },
	{ "windows-1255", TEXT("\xf9\xd1"), TEXT("\xd7\xa9\xd7\x81"), true },
	{ "big5-hkscs", TEXT("\x88\x62\x88\xa5"),
	    TEXT("\xc3\x8a\xcc\x84\xc3\xaa\xcc\x8c"), true },
	{ "gb18030", TEXT("\x90\x30\x81\x30\x81"),
	    TEXT("\xf0\x90\x80\x80" BAD), true },
	{ "gb18030", TEXT("\xe3\x32\x9a\x36!"), TEXT(BAD "!"), true },
	{ "iso-2022-jp", TEXT("\x1b$B$\"$\n\x1b"),
	    TEXT("\xe3\x81\x82" BAD "\n" BAD), true },
	{ "utf-7", TEXT("+2D3eFA-+2D0-!"), TEXT("\xf0\x9f\x98\x94" BAD "!"),
	    true },
	{ "utf-32", TEXT("\0\0\xfe\xff\0\0\0a\0\x11\0\0"), TEXT("a" BAD), true },
	{ "no-such-set", TEXT("\xe9"), TEXT("\xc3\xa9"), false },
	{ "no-such-set", TEXT("\xc3\xa9"), TEXT("\xc3\xa9"), false },
	/* names that are none: not for iconv */
	{ "utf-16//TRANSLIT", TEXT("a"), TEXT("a"), false },
	{ "../../x", TEXT("a"), TEXT("a"), false },
	{ "utf-8,koi8-r", TEXT("a"), TEXT("a"), false },
	{ "an-endless-name-of-a-charset-that-nobody-knows", TEXT("a"), TEXT("a"),
	    false },
};

static void
charsets_become_utf8(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct guard g;
	size_t i, n;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(charset_cases) / sizeof(charset_cases[0]); i++) {
		struct slice name = slice_str(charset_cases[i].charset);

		buf_reset(&b);
		assert_int_equal(charset_to_utf8(name,
		    guard_copy(&g, charset_cases[i].in), &b),
		    charset_cases[i].known);
		assert_slice_equal(buf_slice(&b), charset_cases[i].want);
		assert_int_equal(charset_is_known(name),
		    charset_cases[i].known);
		for (n = 0; n < charset_cases[i].in.n; n++) {
			buf_reset(&b);
			charset_to_utf8(name, guard_copy(&g,
			    slice_first(charset_cases[i].in, n)), &b);
			assert_true(slice_is_utf8(buf_slice(&b)));
		}
	}
	guard_clear(&g);
	buf_clear(&b);
}

static void
strict_conversion_refuses(void **state)
{
	struct buf b = BUF_INIT(1000);

	(void)state;
	assert_int_equal(charset_convert(SLICE_LIT("utf-8"), SLICE_LIT("\xe9"),
	    &b), -1);
	assert_int_equal(charset_convert(SLICE_LIT("us-ascii"),
	    SLICE_LIT("\xc3\xa9"), &b), -1);
	assert_int_equal(charset_convert(SLICE_LIT("none"), SLICE_LIT("a"), &b),
	    -1);
	assert_int_equal(charset_convert(SLICE_LIT("euc-jp"), SLICE_LIT("\xa4"),
	    &b), -1);
	assert_int_equal(b.n, 0);
	assert_int_equal(charset_convert(SLICE_LIT("koi8-r"), SLICE_LIT("\xf0"),
	    &b), 0);
	assert_slice_equal(buf_slice(&b), SLICE_LIT("\xd0\x9f"));
	buf_clear(&b);
}

/* What the C library makes of s; false: it refuses. */
static bool
by_iconv(iconv_t cd, struct slice s, struct buf *b)
{
	char copy[64], *in = copy, *out;
	size_t n = s.n, room = b->max, all = room;

	buf_reset(b);
	memcpy(copy, s.p, s.n);
	out = buf_reserve(b, room);
	iconv(cd, NULL, NULL, NULL, NULL);
	if (iconv(cd, &in, &n, &out, &room) == (size_t)-1 || n != 0 ||
	    iconv(cd, NULL, NULL, &out, &room) == (size_t)-1)
		return false;
	b->n = all - room;
	return true;
}

static void
compare(const char *set, iconv_t cd, struct slice s, bool exactly)
{
	struct buf got = BUF_INIT(256), want = BUF_INIT(256);
	bool ok = by_iconv(cd, s, &want);
	int r = charset_convert(slice_str(set), s, &got);
	char hex[200] = "";
	size_t i;

	for (i = 0; i < s.n; i++)
		snprintf(hex + 3 * i, 4, "%02x ", (unsigned char)s.p[i]);
	if (ok && (r != 0 || !slice_eq(buf_slice(&got), buf_slice(&want))))
		fail_msg("%s, %s: %.*s, not %.*s", set, hex,
		    SLICE_ARG(buf_slice(&got)), SLICE_ARG(buf_slice(&want)));
	if (!ok && exactly && r == 0)
		fail_msg("%s, %s: %.*s, not refused", set, hex,
		    SLICE_ARG(buf_slice(&got)));
	buf_clear(&got);
	buf_clear(&want);
}

/* Every one of one to four bytes, as far as the set has them. */
static void
sequences_are_what_iconv_says(void **state)
{
	static const struct {
		const char	*set, *iconv, *prefix;
	} sets[] = {
		{ "big5", "CP950", "" }, { "big5-hkscs", "BIG5-HKSCS", "" },
		{ "shift_jis", "CP932", "" }, { "euc-kr", "CP949", "" },
		{ "gbk", "GB18030", "" }, { "euc-jp", "EUC-JP", "" },
		{ "euc-jp", "EUC-JP", "\x8f" }, { "euc-tw", "EUC-TW", "" },
		{ "euc-tw", "EUC-TW", "\x8e\xa1" },
		{ "euc-tw", "EUC-TW", "\x8e\xa2" },
		{ "utf-16be", "UTF-16BE", "\xd8\x12" },
		{ "utf-16le", "UTF-16LE", "" },
	};
	size_t i, n, a, z;
	iconv_t cd;
	char s[8];

	(void)state;
	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		cd = iconv_open("UTF-8", sets[i].iconv);
		assert_true(cd != (iconv_t)-1);
		n = strlen(sets[i].prefix);
		memcpy(s, sets[i].prefix, n);
		for (a = 0; a < 256; a++) {
			s[n] = (char)a;
			compare(sets[i].set, cd, (struct slice){ s, n + 1 },
			    true);
			for (z = 0; z < 256; z++) {
				s[n + 1] = (char)z;
				compare(sets[i].set, cd,
				    (struct slice){ s, n + 2 }, true);
			}
		}
		iconv_close(cd);
	}
	cd = iconv_open("UTF-8", "GB18030");
	for (i = 0; i < 126 * 12600; i += i < 40000 ? 1 : 97) {
		const char four[] = { (char)(0x81 + i / 12600),
			(char)(0x30 + i / 1260 % 10),
			(char)(0x81 + i / 10 % 126), (char)(0x30 + i % 10) };

		compare("gb18030", cd, (struct slice){ four, 4 }, true);
	}
	iconv_close(cd);
}

/* Of sets with states: where iconv finds something, so do we. */
static void
random_texts_are_what_iconv_says(void **state)
{
	static const struct {
		const char	*set, *iconv;
		const char	*pieces[9];
	} sets[] = {
		{ "iso-2022-jp", "ISO-2022-JP-2", { "\x1b(B", "\x1b(J", "\x1b$B",
		    "\x1b$@", "\x1b$(D", "\x1b.A", "\x1b.F", "\x1bNi",
		    "\x1b$A" } },
		{ "iso-2022-kr", "ISO-2022-KR", { "\x0e", "\x0f", "\x0f\n" } },
		{ "utf-7", "UTF-7", { "+", "-", "+-", "+2D3eFA-", "+AOk-" } },
		{ "utf-16", "UTF-16", { "\xff\xfe", "\xfe\xff" } },
		{ "utf-32", "UTF-32", { "\xff\xfe", "\xfe\xff" } },
	};
	const char *env = getenv("CHARSET_SEED");
	unsigned seed = env != NULL ? (unsigned)strtoul(env, NULL, 10) :
	    (unsigned)time(NULL);
	struct buf b = BUF_INIT(64);
	size_t i, k;
	iconv_t cd;

	(void)state;
	print_message("CHARSET_SEED=%u\n", seed);
	srandom(seed);
	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		cd = iconv_open("UTF-8", sets[i].iconv);
		assert_true(cd != (iconv_t)-1);
		for (k = 0; k < 50000; k++) {
			buf_reset(&b);
			if (i == 1)
				buf_add_str(&b, "\x1b$)C");
			while (b.n < 32 && random() % 12 != 0) {
				const char *piece = sets[i].pieces[random() % 9];

				if (random() % 2 == 0 && piece != NULL)
					buf_add_str(&b, piece);
				else if (i < 3)	/* GB 2312 has two dashes */
					buf_add_byte(&b, (char)('0' +
					    random() % 79));
				else
					buf_add_byte(&b, (char)random());
			}
			/* iconv lets half a character at the end pass. */
			if (i == 2)
				buf_add_byte(&b, '-');
			compare(sets[i].set, cd, buf_slice(&b), false);
			if (i < 3)
				continue;
			/* It remembers which byte came first. */
			iconv_close(cd);
			cd = iconv_open("UTF-8", sets[i].iconv);
		}
		iconv_close(cd);
	}
	buf_clear(&b);
}

/* windows-1255 and -1258 are not among them: of a letter and its accent iconv
 * makes one character where there is one, and we two. */
static void
bytes_are_what_iconv_says(void **state)
{
	static const char *const sets[] = { "iso-8859-2", "iso-8859-7",
		"windows-1256", "koi8-u", "cp437", "macintosh", "cp874" };
	iconv_t cd;
	size_t i, a;
	char c;

	(void)state;
	for (i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		cd = iconv_open("UTF-8", sets[i]);
		assert_true(cd != (iconv_t)-1);
		for (a = 0; a < 256; a++) {
			c = (char)a;
			compare(sets[i], cd, (struct slice){ &c, 1 }, true);
		}
		iconv_close(cd);
	}
}

static const struct {
	struct slice	 in, want;
} word_cases[] = {
	{ TEXT(""), TEXT("") },
	{ TEXT("  plain\r\n text \r\n"), TEXT("plain text") },
	{ TEXT("=?utf-8?Q?a_b=C3=A9?="), TEXT("a b\xc3\xa9") },
	{ TEXT("=?ISO-8859-1?b?6Q==?="), TEXT("\xc3\xa9") },
	{ TEXT("=?us-ascii*en?q?x?="), TEXT("x") },
	/* between words white space goes, beside text it stays */
	{ TEXT("=?utf-8?q?a?= \r\n =?utf-8?q?b?="), TEXT("ab") },
	{ TEXT("x =?utf-8?q?a?= y =?utf-8?q?b?= z"), TEXT("x a y b z") },
	{ TEXT("x=?utf-8?q?a?=y"), TEXT("xay") },
	/* a character in two words */
	{ TEXT("=?utf-8?q?=C3?= =?utf-8?q?=A9?="), TEXT("\xc3\xa9") },
	{ TEXT("=?utf-8?b?ww==?= =?UTF-8?q?=A9?="), TEXT("\xc3\xa9") },
	/* what is none stays */
	{ TEXT("=?utf-8?x?a?="), TEXT("=?utf-8?x?a?=") },
	{ TEXT("=?utf-8?q?a"), TEXT("=?utf-8?q?a") },
	{ TEXT("=?utf-8?q?"), TEXT("=?utf-8?q?") },
	{ TEXT("=?utf-8?q"), TEXT("=?utf-8?q") },
	{ TEXT("=??q?a?="), TEXT("=??q?a?=") },
	{ TEXT("=?=?utf-8?q?a?="), TEXT("=?a") },
	{ TEXT("=?utf-8?q?\?="), TEXT("") },
	{ TEXT("=?utf-8?q?=zz=4?="), TEXT("=zz=4") },
	{ TEXT("=?none?q?=E9?="), TEXT("\xc3\xa9") },
	/* raw bytes, control characters, line ends in a word */
	{ TEXT("\xe9 \xc3"), TEXT("\xc3\xa9 \xc3\x83") },
	{ TEXT("a\0b\tc"), TEXT("a b c") },
	{ TEXT("=?utf-8?q?a=0D=0AX:_y=00?="), TEXT("aX: y ") },
};

static void
encoded_words(void **state)
{
	struct buf b = BUF_INIT(1000), small = BUF_INIT(3);
	struct guard g;
	size_t i, n;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(word_cases) / sizeof(word_cases[0]); i++) {
		buf_reset(&b);
		words_decode(guard_copy(&g, word_cases[i].in), &b);
		assert_slice_equal(buf_slice(&b), word_cases[i].want);
		for (n = 0; n < word_cases[i].in.n; n++) {
			buf_reset(&small);
			words_decode(guard_copy(&g,
			    slice_first(word_cases[i].in, n)), &small);
			assert_true(slice_is_utf8(buf_slice(&small)));
		}
	}
	guard_clear(&g);
	buf_clear(&b);
	buf_clear(&small);
}

static void
endless_words_cost_little(void **state)
{
	static const char *const repeated[] = { "=?", "=?a?q?", "=?a?b?=41",
		"=?utf-8?q?=41?=", "=?iso-2022-jp?b?GyRC?= ", "=?a?q?\?= " };
	struct buf in = BUF_INIT(1 << 20), out = BUF_INIT(1 << 22);
	size_t i;
	clock_t from;

	(void)state;
	for (i = 0; i < sizeof(repeated) / sizeof(repeated[0]); i++) {
		buf_reset(&in);
		while (buf_add_str(&in, repeated[i]) == 0)
			;
		from = clock();
		buf_reset(&out);
		words_decode(buf_slice(&in), &out);
		if (clock() - from > 2 * CLOCKS_PER_SEC)
			fail_msg("%s", repeated[i]);
	}
	buf_clear(&in);
	buf_clear(&out);
}

static const struct {
	struct slice	 in, want;
} fold_cases[] = {
	{ TEXT(""), TEXT("") },
	{ TEXT("aZ@[`{~"), TEXT("AZ@[`{~") },
	{ TEXT("\xc3\xa9"), TEXT("E\xcc\x81") },
	{ TEXT("e\xcc\x81"), TEXT("E\xcc\x81") },
	{ TEXT("\xd0\xbf"), TEXT("\xd0\x9f") },		/* Cyrillic */
	{ TEXT("\xce\xb1\xce\xac"), TEXT("\xce\x91\xce\x91\xcc\x81") },
	{ TEXT("\xef\xac\x81"), TEXT("FI") },		/* ligature */
	{ TEXT("\xef\xbc\xa1"), TEXT("A") },		/* full width */
	{ TEXT("\xf0\x90\x90\xa8"), TEXT("\xf0\x90\x90\x80") },	/* Deseret */
	{ TEXT("\xf0\xa0\x80\x80"), TEXT("\xf0\xa0\x80\x80") },	/* plane 2 */
	/* no UTF-8 */
	{ TEXT("\xe9z\xc3"), TEXT(BAD "Z" BAD) },
	{ TEXT("\xed\xa0\x80"), TEXT(BAD) },
	{ TEXT("\xf4\x90\x80\x80"), TEXT(BAD BAD BAD BAD) },
};

static void
texts_in_the_form_for_comparison(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct guard g;
	size_t i, n;

	(void)state;
	guard_init(&g, 1000);
	for (i = 0; i < sizeof(fold_cases) / sizeof(fold_cases[0]); i++) {
		for (n = 0; n <= fold_cases[i].in.n; n++) {
			buf_reset(&b);
			assert_int_equal(casefold(guard_copy(&g,
			    slice_first(fold_cases[i].in, n)), &b), 0);
			assert_true(slice_is_utf8(buf_slice(&b)));
		}
		assert_slice_equal(buf_slice(&b), fold_cases[i].want);
	}
	guard_clear(&g);
	buf_clear(&b);
}

static void
ascii_is_folded_eight_at_a_time(void **state)
{
	char in[256], out[256];
	size_t i, n, at;

	(void)state;
	for (i = 0; i < 256; i++)
		in[i] = (char)i;
	for (at = 0; at < 128; at += 3) {
		for (n = 0; n <= 128 - at; n++) {
			assert_true(casefold_ascii(slice_of(in + at, n), out));
			for (i = 0; i < n; i++)
				assert_int_equal(out[i],
				    ascii_lower(in[at + i]) ==
				    in[at + i] && in[at + i] >= 'a' &&
				    in[at + i] <= 'z' ? in[at + i] - 32 :
				    in[at + i]);
		}
	}
	for (i = 1; i < 40; i++)
		assert_false(casefold_ascii(slice_of(in + 129 - i, i), out));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(charsets_become_utf8),
		cmocka_unit_test(bytes_are_what_iconv_says),
		cmocka_unit_test(sequences_are_what_iconv_says),
		cmocka_unit_test(random_texts_are_what_iconv_says),
		cmocka_unit_test(strict_conversion_refuses),
		cmocka_unit_test(encoded_words),
		cmocka_unit_test(endless_words_cost_little),
		cmocka_unit_test(texts_in_the_form_for_comparison),
		cmocka_unit_test(ascii_is_folded_eight_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
