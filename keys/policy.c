/* SPDX-License-Identifier: ISC */
/* policy - see policy.h. */
#include "policy.h"

#define RANDOMS_BYTES	64
#define NAMED_CURVE	3

enum { TLS12 = 1, TLS13 = 2 };

static bool	 is_certificate_verify(struct slice);
static bool	 is_key_exchange(struct slice);

/* In TLS 1.3 PKCS #1 v1.5 signs certificates only. */
static const struct {
	enum keys_scheme	 scheme;
	int			 versions;
} schemes[] = {
	{ KEYS_RSA_SHA256,   TLS12 },
	{ KEYS_RSA_SHA384,   TLS12 },
	{ KEYS_RSA_SHA512,   TLS12 },
	{ KEYS_ECDSA_SHA256, TLS12 | TLS13 },
	{ KEYS_ECDSA_SHA384, TLS12 | TLS13 },
	{ KEYS_ECDSA_SHA512, TLS12 | TLS13 },
	{ KEYS_PSS_SHA256,   TLS12 | TLS13 },
	{ KEYS_PSS_SHA384,   TLS12 | TLS13 },
	{ KEYS_PSS_SHA512,   TLS12 | TLS13 },
	{ KEYS_ED25519,	     TLS12 | TLS13 },
};

bool
policy_allows(unsigned scheme, struct slice input)
{
	size_t i;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (schemes[i].scheme == scheme)
			return (schemes[i].versions & TLS13 &&
			    is_certificate_verify(input)) ||
			    (schemes[i].versions & TLS12 &&
			    is_key_exchange(input));
	return false;
}

static bool
is_certificate_verify(struct slice in)
{
	static const char context[] = "TLS 1.3, server CertificateVerify";
	const size_t head = RANDOMS_BYTES + sizeof(context);
	size_t i;

	if (in.n != head + 32 && in.n != head + 48)
		return false;
	for (i = 0; i < RANDOMS_BYTES; i++)
		if (in.p[i] != ' ')
			return false;
	/* With the zero byte behind it. */
	return memcmp(in.p + RANDOMS_BYTES, context, sizeof(context)) == 0;
}

static bool
is_key_exchange(struct slice in)
{
	static const struct {
		unsigned	curve;
		size_t		bytes;
	} points[] = {
		{ 23, 65 }, { 24, 97 }, { 25, 133 }, { 29, 32 }, { 30, 56 },
	};
	const unsigned char *p = (const void *)(in.p + RANDOMS_BYTES);
	size_t i, rest;
	unsigned curve;

	if (in.n < RANDOMS_BYTES + 4 || p[0] != NAMED_CURVE)
		return false;
	rest = in.n - RANDOMS_BYTES - 4;
	curve = (unsigned)(p[1] << 8 | p[2]);
	for (i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		if (points[i].curve == curve)
			return rest == points[i].bytes && p[3] == rest;
	return false;
}
