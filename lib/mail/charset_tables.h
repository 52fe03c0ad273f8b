/* SPDX-License-Identifier: ISC */
/*
 * charset_tables - which characters the bytes of a character set are: tables
 * that charset_gen makes of iconv's when this is built, so that no process
 * which reads messages has iconv's libraries.
 *
 * Sets that are not in here are not known (charset.h).
 */
#ifndef MAIL_CHARSET_TABLES_H
#define MAIL_CHARSET_TABLES_H

#include <stddef.h>
#include <stdint.h>

/* Sets of one byte whose lower half is ASCII. */
#define CHARSETS_OF_A_BYTE(X)						\
	X("iso-8859-2") X("iso-8859-3") X("iso-8859-4") X("iso-8859-5")	\
	X("iso-8859-6") X("iso-8859-7") X("iso-8859-8") X("iso-8859-10") \
	X("iso-8859-13") X("iso-8859-14") X("iso-8859-15")		\
	X("iso-8859-16") X("windows-1250") X("windows-1251")		\
	X("windows-1253") X("windows-1254") X("windows-1255")		\
	X("windows-1256") X("windows-1257") X("windows-1258")		\
	X("cp874") X("koi8-r") X("koi8-u") X("cp437") X("cp850")	\
	X("cp852") X("cp858") X("cp866") X("macintosh")

/* Planes: two bytes, behind others that say so (prefix). */
#define CHARSET_PLANES(X)						\
	/* name	 iconv's	prefix */				\
	X(CP950,  "CP950",	"")					\
	X(HKSCS,  "BIG5-HKSCS",	"")					\
	X(CP932,  "CP932",	"")					\
	X(CP949,  "CP949",	"")					\
	X(GB,	  "GB18030",	"")					\
	X(JIS,	  "EUC-JP",	"")					\
	X(JIS212, "EUC-JP",	"\x8f")					\
	X(CNS1,	  "EUC-TW",	"")					\
	X(CNS2,	  "EUC-TW",	"\x8e\xa2")

enum charset_plane {
#define X(name, iconv, prefix)	PLANE_##name,
	CHARSET_PLANES(X)
#undef X
	CHARSET_NPLANES
};

#define PLANE_LEAD	0x81	/* the least first and second byte */
#define PLANE_TRAIL	0x40
#define PLANE_LEADS	126
#define PLANE_TRAILS	191
#define PLANE_CELLS	(PLANE_LEADS * PLANE_TRAILS)

/* Of bytes 128 to 255; 0xfffd: none. */
struct charset_of_a_byte {
	char		 name[16];
	uint16_t	 high[128];
};
extern const struct charset_of_a_byte charsets_of_a_byte[];
extern const size_t charsets_of_a_byte_n;

/* The low 16 bits; 0: none.  0x20000 more where the cell's bit of sip is set:
 * eight cells to a byte, from the lowest bit on. */
struct charset_cells {
	uint16_t	 high[128];	/* of bytes by themselves; 0: none */
	uint16_t	 low[PLANE_CELLS];
	uint8_t		 sip[(PLANE_CELLS + 7) / 8];
};
extern const struct charset_cells charset_planes[CHARSET_NPLANES];

/* GB18030's four bytes below U+10000, in their order: from `at` on code, code +
 * 1 and so on up to the next row; code 0: none. */
#define GB_FOUR_BMP	39420
struct charset_run {
	uint16_t	 at, code;
};
extern const struct charset_run gb_runs[];
extern const size_t gb_runs_n;

#endif
