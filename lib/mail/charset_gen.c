/* SPDX-License-Identifier: ISC */
/*
 * charset_gen - writes charset_tables.c by what iconv says of each sequence of
 * bytes; run when this is built.
 */
#include <err.h>
#include <iconv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mail/charset_tables.h"

static void	 write_bytes(const char *name);
static void	 write_plane(const char *iconv_name, const char *prefix);
static void	 write_runs(void);
static iconv_t	 open_set(const char *name);
static uint32_t	 code_of(iconv_t, const char *, size_t);

int
main(void)
{
	printf("/* Made by charset_gen. */\n"
	    "#include \"mail/charset_tables.h\"\n\n"
	    "const struct charset_of_a_byte charsets_of_a_byte[] = {\n");
#define X(name)	write_bytes(name);
	CHARSETS_OF_A_BYTE(X)
#undef X
	printf("};\n"
	    "const size_t charsets_of_a_byte_n = sizeof(charsets_of_a_byte) /\n"
	    "    sizeof(charsets_of_a_byte[0]);\n\n"
	    "const struct charset_cells charset_planes[CHARSET_NPLANES] = {\n");
#define X(name, iconv, prefix)						\
	printf("[PLANE_" #name "] = {\n");				\
	write_plane(iconv, prefix);
	CHARSET_PLANES(X)
#undef X
	printf("};\n\nconst struct charset_run gb_runs[] = {\n");
	write_runs();
	printf("};\nconst size_t gb_runs_n = sizeof(gb_runs) /\n"
	    "    sizeof(gb_runs[0]);\n");
	if (fflush(stdout) == EOF || ferror(stdout))
		err(1, "standard output");
	return 0;
}

static void
write_bytes(const char *name)
{
	iconv_t cd = open_set(name);
	char c;
	int i;

	for (i = 0; i < 128; i++) {
		c = (char)i;
		if (code_of(cd, &c, 1) != (uint32_t)i)
			errx(1, "%s: byte %d is not ASCII", name, i);
	}
	printf("{ \"%s\", {", name);
	for (i = 128; i < 256; i++) {
		uint32_t code;

		c = (char)i;
		code = code_of(cd, &c, 1);
		printf("%s%#x,", i % 16 == 0 ? "\n" : "",
		    code == 0 || code > 0xffff ? 0xfffd : code);
	}
	printf(" } },\n");
	iconv_close(cd);
}

static void
write_plane(const char *iconv_name, const char *prefix)
{
	static uint8_t sip[(PLANE_CELLS + 7) / 8];
	iconv_t cd = open_set(iconv_name);
	size_t n = strlen(prefix), i;
	uint32_t code;
	char s[4];

	memset(sip, 0, sizeof(sip));
	memcpy(s, prefix, n);
	printf(".high = {");
	for (i = 128; i < 256; i++) {
		s[n] = (char)i;
		code = n > 0 ? 0 : code_of(cd, s, 1);
		printf("%s%#x,", i % 16 == 0 ? "\n" : "", code);
	}
	printf(" },\n.low = {");
	for (i = 0; i < PLANE_CELLS; i++) {
		s[n] = (char)(PLANE_LEAD + i / PLANE_TRAILS);
		s[n + 1] = (char)(PLANE_TRAIL + i % PLANE_TRAILS);
		code = code_of(cd, s, n + 2);
		if (code >> 16 == 2)
			sip[i / 8] |= (uint8_t)(1 << i % 8);
		else if (code > 0xffff)
			errx(1, "%s: a character of another plane", iconv_name);
		printf("%s%#x,", i % 16 == 0 ? "\n" : "", code & 0xffff);
	}
	printf(" },\n.sip = {");
	for (i = 0; i < sizeof(sip); i++)
		printf("%s%u,", i % 32 == 0 ? "\n" : "", sip[i]);
	printf(" } },\n");
	iconv_close(cd);
}

static void
write_runs(void)
{
	iconv_t cd = open_set("GB18030");
	uint32_t code, last = 1;
	int i;

	for (i = 0; i < GB_FOUR_BMP; i++) {
		const char s[] = { (char)(0x81 + i / 12600),
			(char)(0x30 + i / 1260 % 10),
			(char)(0x81 + i / 10 % 126), (char)(0x30 + i % 10) };

		code = code_of(cd, s, 4);
		if (code > 0xffff)
			errx(1, "GB18030: a character of another plane");
		if (code != (last == 0 ? 0 : last + 1))
			printf("{ %d, %#x },\n", i, code);
		last = code;
	}
	iconv_close(cd);
}

static iconv_t
open_set(const char *name)
{
	iconv_t cd = iconv_open("UCS-4BE", name);

	if (cd == (iconv_t)-1)
		errx(1, "iconv does not know %s: its converters are needed "
		    "to build this", name);
	return cd;
}

/* The first character of a whole sequence; 0: it is none. */
static uint32_t
code_of(iconv_t cd, const char *s, size_t n)
{
	unsigned char out[64];
	char copy[8], *in = copy, *to = (char *)out;
	size_t room = sizeof(out);

	memcpy(copy, s, n);
	iconv(cd, NULL, NULL, NULL, NULL);
	if (iconv(cd, &in, &n, &to, &room) == (size_t)-1 || n != 0 ||
	    iconv(cd, NULL, NULL, &to, &room) == (size_t)-1 ||
	    room == sizeof(out))
		return 0;
	return (uint32_t)out[0] << 24 | (uint32_t)out[1] << 16 |
	    (uint32_t)out[2] << 8 | out[3];
}
